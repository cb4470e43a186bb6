"""Picture encoders of transformers: the vision tower of ViT, DINO, CLIP, SigLIP and their like.

Every model prepares pictures by its own processor. Its features are those it was trained to give:
the projection that meets the text's (CLIP, SigLIP), else its pooled output, else its class token,
else the mean of its patches. Which of these it is, and the preprocessing, are in the fingerprint.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from influence_core.data.images import PIXELS
from influence_core.disk.fingerprint import of_tensors
from influence_core.errors import ModelError, one_line
from influence_core.models.images import ImageEncoder
from influence_core.models.text import settle_missing
from influence_core.models.tokens import hugging_face_source

_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")


def load_image(rest: str, root: Path | None, device: torch.device) -> ImageEncoder:
    """A hub name, or a folder with weights (relative to the project, or absolute).

    Raises:
        ModelError: something is missing, damaged or foreign, or gives pictures no fixed features.
    """
    source = hugging_face_source(rest, root, scheme="image", example="facebook/dinov2-small")
    model, processor, missing = _pretrained(source)

    def prepare(image: Image.Image) -> Tensor:
        pixels: Tensor = processor(image.convert("RGB"), return_tensors="pt")["pixel_values"][0]
        return pixels

    try:
        tower, dim = _tried(model, missing, prepare)
    except Exception as error:  # A network of another kind fails in its own way.
        raise ModelError(
            f"The model '{source}' gives no features for pictures ({one_line(error)}); choose one "
            "with a vision tower, such as 'image:facebook/dinov2-small'."
        ) from error
    preprocessing = json.dumps(processor.to_dict(), sort_keys=True, default=str)
    about = f"{tower.output} of {type(processor).__name__} {preprocessing}"
    fingerprint = f"{PIXELS}-{of_tensors(about, model.state_dict())}"
    return ImageEncoder(f"image:{rest}", tower.to(device), prepare, dim, device, fingerprint)


def _pretrained(source: str) -> tuple[Any, Any, frozenset[str]]:
    """The network without its text side, its processor, and the weights that its file lacks."""
    from transformers import AutoImageProcessor, AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        processor = AutoImageProcessor.from_pretrained(source, trust_remote_code=False)
        model, report = AutoModel.from_pretrained(
            source, trust_remote_code=False, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # A damaged config surfaces as almost anything.
        raise ModelError(
            f"The image model '{source}' cannot be loaded: it is neither a folder with a whole "
            "model.safetensors and a preprocessor_config.json nor reachable on the hub. Check the "
            "name and the network, or give a local folder as 'image:<folder>'."
        ) from error
    for name in [name for name, _ in model.named_children() if name.startswith("text_")]:
        delattr(model, name)
    settle_missing(model, model, report["missing_keys"], f"image model '{source}'")
    model = model.float().eval().requires_grad_(False)
    return model, processor, frozenset(report["missing_keys"])


class _Tower(nn.Module):
    """Prepared pictures (n, channels, height, width) to features (n, dim)."""

    def __init__(self, model: Any, output: str) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, pixels: Tensor) -> Tensor:
        if self.output == "image_embeds":
            found = self.model.get_image_features(pixel_values=pixels)
            features: Tensor = found if isinstance(found, Tensor) else found.pooler_output
            return features
        found = self.model(pixel_values=pixels)
        if self.output == "pooler_output":
            return found.pooler_output.flatten(1)
        hidden = found.last_hidden_state  # (n, patches, dim), or (n, dim, height, width)
        if self.output == "class token":
            return hidden[:, 0]
        return hidden.mean(1) if hidden.ndim == 3 else hidden.mean((2, 3))


@torch.no_grad()
def _tried(model: Any, missing: Collection[str], prepare: Any) -> tuple[_Tower, int]:
    """The tower and its number of features, proved on two pictures.

    Raises:
        ValueError: it gives no vectors, or other ones each time.
    """
    square = Image.linear_gradient("L")
    pixels = torch.stack([prepare(square), prepare(square.resize((90, 60)))])
    tower = _Tower(model, _output(model, missing, pixels))
    features = tower(pixels)
    if features.ndim != 2:
        raise ValueError(f"its features have the shape {tuple(features.shape[1:])}")
    if not torch.equal(features, tower(pixels)):
        raise ValueError("they differ each time, as it hides parts of the picture")
    return tower, int(features.shape[1])


def _output(model: Any, missing: Collection[str], pixels: Tensor) -> str:
    """Which of its outputs are the features."""
    if hasattr(model, "get_image_features"):
        return "image_embeds"
    pooled = getattr(model(pixel_values=pixels), "pooler_output", None)
    # A checkpoint of a classifier often has no pooler, and transformers makes a random one.
    if pooled is not None and not any("pooler" in name for name in missing):
        return "pooler_output"
    names = (name.rpartition(".")[2] for name, _ in model.named_parameters())
    return "class token" if any(name in _CLASS_TOKENS for name in names) else "mean of patches"
