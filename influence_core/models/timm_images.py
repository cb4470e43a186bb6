"""Picture encoders of timm (extra `timm`): any of its networks, before its classifier.

The pooled features are those that `create_model(name, num_classes=0)` gives, and every picture is
prepared by the evaluation transform of the model's own configuration; both are in the fingerprint.
"""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from influence_core.data.images import PIXELS
from influence_core.disk.fingerprint import of_tensors
from influence_core.errors import ModelError, one_line
from influence_core.models.images import ImageEncoder
from influence_core.models.tokens import hugging_face_source

_EXAMPLE = "vit_small_patch14_dinov2.lvd142m"


def load_timm(rest: str, root: Path | None, device: torch.device) -> ImageEncoder:
    """A name that timm knows, or a folder with config.json and model.safetensors.

    Raises:
        ModelError: the package is missing; the model is unknown, out of reach or damaged, or gives
            pictures no vector of features.
    """
    source = hugging_face_source(rest, root, scheme="timm", example=_EXAMPLE)
    if find_spec("timm") is None:
        raise ModelError(
            "The encoder 'timm:' needs timm (extra `timm`): pip install 'timm>=1.0.20'."
        )
    model, settings = _pretrained(source)
    from timm.data import create_transform

    transform: Any = create_transform(**settings, is_training=False)

    def prepare(image: Image.Image) -> Tensor:
        pixels: Tensor = transform(image.convert("RGB"))
        return pixels

    dim = _dim(model, prepare, source)
    about = json.dumps(settings, sort_keys=True, default=str)
    fingerprint = f"{PIXELS}-{of_tensors(f'timm {about}', model.state_dict())}"
    return ImageEncoder(f"timm:{rest}", model.to(device), prepare, dim, device, fingerprint)


def _pretrained(source: str) -> tuple[Any, dict[str, Any]]:
    """The network without its classifier, and how its pictures are prepared."""
    import timm
    from timm.data import resolve_model_data_config

    folder = Path(source).is_dir()
    if folder and not (Path(source) / "model.safetensors").is_file():
        raise ModelError(
            f"The timm folder {source} has no model.safetensors, and no other file is read; save "
            "the model by timm.models.save_for_hf(model, folder, safe_serialization=True)."
        )
    try:
        name = f"local-dir:{source}" if folder else source
        model = timm.create_model(name, pretrained=True, num_classes=0)
        return model.float().eval().requires_grad_(False), resolve_model_data_config(model)
    except Exception as error:  # an unknown name, a hub out of reach and a damaged file alike
        raise ModelError(
            f"The timm model '{source}' cannot be loaded ({one_line(error)}): check the name and "
            "the network, or give a local folder as 'timm:<folder>'."
        ) from error


@torch.no_grad()
def _dim(model: Any, prepare: Any, source: str) -> int:
    pixels = prepare(Image.linear_gradient("L"))[None]
    try:
        features = model(pixels)
    except Exception as error:  # a network of another kind fails in its own way
        raise ModelError(
            f"The timm model '{source}' does not run on pictures ({one_line(error)}); choose "
            f"another, such as 'timm:{_EXAMPLE}'."
        ) from error
    if not isinstance(features, Tensor) or features.ndim != 2:
        raise ModelError(
            f"The timm model '{source}' gives pictures no vector of features; choose a classifier, "
            f"such as 'timm:{_EXAMPLE}'."
        )
    return int(features.shape[1])
