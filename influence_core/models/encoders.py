"""Encoders: frozen networks that turn an image or a sentence into a feature vector.

A spec names one: `minilm`, `hf:<name or folder>`, `st:<name or folder>`, `vgg:<file in the
project>`, `torchvision:<name>`, `image:<name or folder>`, `timm:<name or folder>`. What stands
before the colon is looked up here; each loader lives with its kind in `text.py`, `sentences.py`,
`images.py`, `vision.py` or `timm_images.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from influence_core.data.dataset import CONTENT_WORDS, Modality
from influence_core.errors import ModelError
from influence_core.models.device import memory_told
from influence_core.models.images import load_torchvision, load_vgg
from influence_core.models.sentences import load_sentence_transformer
from influence_core.models.text import TextEncoder, load_hugging_face, load_minilm
from influence_core.models.timm_images import load_timm
from influence_core.models.tokens import OWN
from influence_core.models.vision import load_image


class Encoder(Protocol):
    """A frozen encoder."""

    @property
    def name(self) -> str:
        """Spec that loads it again."""
        ...

    @property
    def modality(self) -> Literal["image", "text"]:
        """What it encodes."""
        ...

    @property
    def dim(self) -> int:
        """Length of a feature vector."""
        ...

    @property
    def fingerprint(self) -> str:
        """sha256 of weights and preprocessing."""
        ...

    def encode(self, items: Sequence[Any]) -> npt.NDArray[np.float32]:
        """(n, dim) features of n sentences, or of n encoded images."""
        ...


Loader = Callable[[str, Path | None, torch.device], Encoder]

SCHEMES: dict[str, tuple[Modality, Loader]] = {
    "minilm": ("text", load_minilm),
    "hf": ("text", load_hugging_face),
    "st": ("text", load_sentence_transformer),
    "vgg": ("image", load_vgg),
    "torchvision": ("image", load_torchvision),
    "image": ("image", load_image),
    "timm": ("image", load_timm),
}


def load_encoder(
    spec: str,
    *,
    root: Path | None = None,
    device: torch.device | None = None,
    fingerprint: str = "",
) -> Encoder:
    """Load the encoder of a spec.

    Args:
        spec: `scheme` or `scheme:name`.
        root: the project folder, for files that a spec names.
        device: where it runs; cpu by default.
        fingerprint: of features that exist: if windows made them, it reads in windows.

    Raises:
        ModelError: unknown scheme, missing weights, or a hub that cannot be reached.
        ResourceError: it does not fit into the device's memory.
    """
    scheme, _, rest = spec.partition(":")
    if is_own(spec):
        raise ModelError(
            "The features of this project were made elsewhere, so what has none cannot be encoded "
            "here; make a project of the same rows with an encoder (--encoder) to ask about "
            "sentences and pictures of your own."
        )
    encodes(spec)
    with memory_told(
        f"The encoder '{spec}' does not fit into memory; close other programs, or choose another "
        "device (--device cpu)."
    ):
        encoder = SCHEMES[scheme][1](rest, root, device or torch.device("cpu"))
    if isinstance(encoder, TextEncoder) and encoder.windowed().fingerprint == fingerprint:
        return encoder.windowed()
    return encoder


def is_own(spec: str) -> bool:
    """Whether the features of a project with this spec are the user's."""
    return spec.partition(":")[0] == OWN


def encodes(spec: str) -> Modality:
    """What the encoder of a spec encodes; nothing is loaded.

    Raises:
        ModelError: there is no such scheme.
    """
    scheme = spec.partition(":")[0]
    if scheme not in SCHEMES:
        raise ModelError(
            f"There is no encoder '{spec}'; an encoder is one of {', '.join(SCHEMES)}, such as "
            "'minilm' or 'torchvision:mobilenet_v2'."
        )
    return SCHEMES[scheme][0]


def check_encoder(spec: str, modality: Modality, root: Path | None = None) -> None:
    """Make sure, before anything is made for it, that an encoder is there and reads such data.

    Raises:
        ModelError: it is not there, is damaged, or encodes something else.
    """
    if encodes(spec) != modality:
        held, (theirs, _) = CONTENT_WORDS[modality][1], SCHEMES[spec.partition(":")[0]]
        able = " or ".join(name for name, (what, _) in SCHEMES.items() if what == modality)
        raise ModelError(
            f"The encoder '{spec}' encodes {CONTENT_WORDS[theirs][1]}, and this data holds {held}; "
            f"choose {able} (--encoder)."
        )
    load_encoder(spec, root=root)


def for_texts(encoder: Encoder, texts: Iterable[Sequence[str]]) -> Encoder:
    """The encoder, reading in windows if any text is longer than it reads at once.

    Args:
        encoder: as it was loaded.
        texts: of one split after the other; looked at until one is long.
    """
    if not isinstance(encoder, TextEncoder):
        return encoder
    return encoder.windowed() if any(encoder.longer(part).any() for part in texts) else encoder
