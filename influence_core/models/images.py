"""Image trunks: torchvision networks up to the layer before the last."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from influence_core.data.images import open_image
from influence_core.errors import ModelError
from influence_core.models.device import in_chunks

_CHUNK = 64


@dataclass(frozen=True, eq=False)
class ImageTrunk:
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
            features: Tensor = self.model(batch.to(self.device))
            return features.float().cpu().numpy()

        return np.concatenate(in_chunks(run, len(items), _CHUNK, lower="the image size"))


def load_vgg(rest: str, root: Path | None, device: torch.device) -> ImageTrunk:
    """A small VGG whose plan and weights stand in one safetensors file of the project."""
    path = (root or Path()) / rest
    spec, model = read_vgg(path)
    model.classifier[-1] = nn.Identity()
    body = model.eval().requires_grad_(False).to(device)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ImageTrunk(f"vgg:{rest}", body, spec.prepare, spec.dim, device, digest)


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
            f"The trunk {path} cannot be loaded ({error}); restore the file or train another."
        ) from error
    return spec, model


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


def load_torchvision(rest: str, root: Path | None, device: torch.device) -> ImageTrunk:
    """Any torchvision classifier with pretrained weights, from the cache or the hub."""
    from torchvision import models

    try:
        weights = models.get_model_weights(rest).DEFAULT
    except ValueError as error:
        raise ModelError(
            f"torchvision has no model '{rest}'; try 'torchvision:mobilenet_v2'."
        ) from error
    try:
        model = models.get_model(rest, weights=weights)
    except OSError as error:
        raise ModelError(
            f"The weights of '{rest}' are not on this machine and cannot be fetched; connect once, "
            f"or put {Path(weights.url).name} into the torch hub cache."
        ) from error
    dim = _without_last_layer(model, rest)
    model = model.eval().requires_grad_(False).to(device)
    digest = hashlib.sha256(f"torchvision:{rest}:{weights.url}".encode()).hexdigest()
    return ImageTrunk(f"torchvision:{rest}", model, weights.transforms(), dim, device, digest)


def _without_last_layer(model: nn.Module, name: str) -> int:
    """Replace the last linear layer by the identity; returns its input size."""
    linear = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)]
    if not linear:
        raise ModelError(f"The model '{name}' ends in no linear layer; choose another trunk.")
    path, last = linear[-1]
    parent = model.get_submodule(path.rpartition(".")[0])
    setattr(parent, path.rpartition(".")[2], nn.Identity())
    return last.in_features
