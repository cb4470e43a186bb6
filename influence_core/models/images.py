"""Image encoders: torchvision networks up to the layer before the last."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from influence_core.data.images import PIXELS, open_image
from influence_core.disk.fingerprint import of_file, of_tensors
from influence_core.errors import ModelError, one_line
from influence_core.models.device import autocast, chunk_that_fits, in_chunks, pinned, sent

_CHUNK = 64


@dataclass(frozen=True, eq=False)
class ImageEncoder:
    """A network without its last layer, and how to prepare an image for it."""

    modality: ClassVar[Literal["image"]] = "image"
    name: str
    model: nn.Module
    prepare: Callable[[Image.Image], Tensor]  # picture to (channels, height, width)
    dim: int
    device: torch.device
    fingerprint: str

    @torch.no_grad()
    def encode(self, items: Sequence[bytes]) -> npt.NDArray[np.float32]:
        """(n, dim) features of n encoded images."""

        def run(part: slice) -> npt.NDArray[np.float32]:
            batch = torch.stack([self.prepare(open_image(raw)) for raw in items[part]])
            with autocast(self.device):
                features: Tensor = self.model(sent(pinned(batch, self.device), self.device))
            return features.float().cpu().numpy()

        lower = "the image size"
        chunk = 1
        if len(items) > 1:
            (chunk,) = in_chunks(lambda part: self._chunk(items[0]), 1, 1, lower=lower)
        parts = in_chunks(run, len(items), chunk, lower=lower)
        return np.concatenate([np.empty((0, self.dim), np.float32), *parts])

    def _chunk(self, raw: bytes) -> int:
        """How many pictures at once: one is tried, and the largest layer it passes is measured."""
        picture = self.prepare(open_image(raw))[None].to(self.device)
        largest = picture.nelement()

        def watch(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            nonlocal largest
            here = sum(t.nelement() for t in (*inputs, output) if isinstance(t, Tensor))
            largest = max(largest, here)

        leaves = [m for m in self.model.modules() if not any(m.children())]
        hooks = [leaf.register_forward_hook(watch) for leaf in leaves]
        try:
            self.model(picture)
        finally:
            for hook in hooks:
                hook.remove()
        return chunk_that_fits(4 * largest, _CHUNK, self.device)


def load_vgg(rest: str, root: Path | None, device: torch.device) -> ImageEncoder:
    """A small VGG whose plan and weights stand in one safetensors file of the project.

    Raises:
        ModelError: the file is missing or damaged, or not named.
    """
    if not rest:
        raise ModelError("The encoder 'vgg:' needs a file, such as 'vgg:trunk.safetensors'.")
    path = (root or Path()) / rest
    spec, model = read_vgg(path)
    model.classifier[-1] = nn.Identity()
    body = model.eval().requires_grad_(False).to(device)
    fingerprint = f"{PIXELS}-{of_file(path)}"
    return ImageEncoder(f"vgg:{rest}", body, spec.prepare, spec.dim, device, fingerprint)


def read_vgg(path: Path) -> tuple["VggSpec", Any]:
    """The plan and the whole network, last layer included, of a `vgg:` file.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            meta = file.metadata() or {}
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
        spec = VggSpec(**json.loads(meta["vgg"]))
        model = small_vgg(spec)
        model.load_state_dict(state)
    except (OSError, SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise ModelError(
            f"The encoder {path} cannot be loaded ({one_line(error)}); restore the file or train "
            "another."
        ) from error
    return spec, model


_MOST_STEPS, _MOST_UNITS, _MOST_SIZE = 64, 65_536, 2_048


@dataclass(frozen=True)
class VggSpec:
    """Plan of a small VGG: channel numbers and "M" for pooling, as in torchvision."""

    plan: tuple[int | str, ...]
    classes: int
    dim: int
    channels: int = 1
    size: int = 28
    mean: float = 0.5
    std: float = 0.5

    def __post_init__(self) -> None:
        """Refuse, with a ValueError, what no network could be made of."""

        def whole(value: object, most: int) -> bool:
            return type(value) is int and 1 <= value <= most

        poolings = list(self.plan).count("M")
        fine = {
            "plan": len(self.plan) <= _MOST_STEPS
            and all(step == "M" or whole(step, _MOST_UNITS) for step in self.plan),
            "classes": whole(self.classes, _MOST_UNITS),
            "dim": whole(self.dim, _MOST_UNITS),
            "channels": self.channels in (1, 3),
            "size": whole(self.size, _MOST_SIZE) and self.size >> poolings >= 1,
            "mean": type(self.mean) in (int, float) and math.isfinite(self.mean),
            "std": type(self.std) in (int, float) and 0 < self.std < math.inf,
        }
        for name, good in fine.items():
            if not good:
                raise ValueError(f"its {name} is {str(getattr(self, name))[:40]}")

    def prepare(self, image: Image.Image) -> Tensor:
        """A picture as a normalised (channels, size, size) tensor."""
        image = image.convert("L" if self.channels == 1 else "RGB")
        if image.size != (self.size, self.size):
            image = image.resize((self.size, self.size), Image.Resampling.BILINEAR)
        values = np.asarray(image, dtype=np.float32) / 255.0
        tensor = torch.from_numpy(values).reshape(self.size, self.size, self.channels)
        return (tensor.permute(2, 0, 1) - self.mean) / self.std


def small_vgg(spec: VggSpec) -> Any:
    """torchvision's VGG with this plan, group-free convolutions and a two-layer classifier."""
    from torchvision.models.vgg import VGG

    layers: list[nn.Module] = []
    channels = spec.channels
    for step in spec.plan:
        if step == "M":
            layers.append(nn.MaxPool2d(2))
        else:
            layers += [nn.Conv2d(channels, int(step), 3, padding=1), nn.ReLU(inplace=True)]
            channels = int(step)
    model = VGG(nn.Sequential(*layers), num_classes=1, init_weights=False)
    model.avgpool = nn.AdaptiveAvgPool2d(3)
    model.classifier = nn.Sequential(
        nn.Linear(channels * 9, spec.dim), nn.ReLU(inplace=True), nn.Linear(spec.dim, spec.classes)
    )
    return model


def load_torchvision(rest: str, root: Path | None, device: torch.device) -> ImageEncoder:
    """Any torchvision classifier with pretrained weights, from the cache or the hub."""
    model, transforms = pretrained(rest)
    dim = _without_last_layer(model, rest)
    model = model.eval().requires_grad_(False).to(device)
    weights = of_tensors(f"torchvision:{rest} {transforms}", model.state_dict())
    fingerprint = f"{PIXELS}-{weights}"

    def prepare(image: Image.Image) -> Tensor:
        return transforms(image.convert("RGB"))

    return ImageEncoder(f"torchvision:{rest}", model, prepare, dim, device, fingerprint)


def pretrained(name: str) -> tuple[nn.Module, Callable[[Image.Image], Tensor]]:
    """A torchvision classifier with its published weights, and their transform of an RGB picture.

    Raises:
        ModelError: no such classifier, or its weights are out of reach or damaged.
    """
    from torchvision import models

    if name not in models.list_models(module=models):
        raise ModelError(
            f"torchvision has no model '{name}' for classifying images; try "
            "'torchvision:mobilenet_v2'."
        )
    weights = models.get_model_weights(name).DEFAULT
    file = Path(weights.url).name
    try:
        # The file is a pickle, and torchvision would run whatever it holds: read it once with
        # nothing but tensors allowed.
        state = weights.get_state_dict(check_hash=True, weights_only=True)
        if not isinstance(state, Mapping) or not all(map(_is_weight, state.items())):
            raise TypeError("it holds no weights")
        return models.get_model(name, weights=weights), weights.transforms()
    except (OSError, HTTPException) as error:
        raise ModelError(
            f"The weights of '{name}' are not on this machine and cannot be fetched; connect once, "
            f"put {file} into the torch hub cache, or make the project with --encoder small."
        ) from error
    except (RuntimeError, UnpicklingError, EOFError, TypeError, ValueError, KeyError) as error:
        raise ModelError(
            f"The weights of '{name}' on this machine are damaged, or hold more than weights; "
            f"delete {file} in the torch hub cache to fetch them again."
        ) from error


def _is_weight(entry: tuple[Any, Any]) -> bool:
    name, value = entry
    return isinstance(name, str) and isinstance(value, Tensor) and not value.is_complex()


def _without_last_layer(model: nn.Module, name: str) -> int:
    """Replace the last linear layer by the identity; returns its input size."""
    linear = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    if not linear:
        raise ModelError(f"The model '{name}' ends in no linear layer; choose another encoder.")
    path, last = linear[-1]
    parent = model.get_submodule(path.rpartition(".")[0])
    setattr(parent, path.rpartition(".")[2], nn.Identity())
    return last.in_features
