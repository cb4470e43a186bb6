"""Which encoders may be chosen for data of one's own, and what each would fetch first.

Of pictures no encoder comes with the package, as MiniLM does for sentences: MobileNet's weights
come from the network once. The small network of the sample *fashion* is on every machine, so that
pictures can be worked on without a network, too. Nothing is loaded here.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from influence_core.data.dataset import Modality
from influence_core.errors import ModelError
from influence_core.installed import sample_root
from influence_core.models.encoders import check_encoder
from influence_core.workflow.projects.findings import DEFAULT_ENCODERS

SMALL = "small"  # as `--encoder` takes it
_SMALL_FILE = "encoder.safetensors"  # in the project, which then needs nothing from outside


@dataclass(frozen=True)
class EncoderChoice:
    """One encoder.

    Attributes:
        spec: as `--encoder` takes it.
        title: for people.
        good_for: one sentence about it.
        fetches: what has to come from the network first, with its size; "" if it is here.
    """

    spec: str
    title: str
    good_for: str
    fetches: str = ""


def image_encoders() -> list[EncoderChoice]:
    """The one to begin with first: MobileNet where it is here, else what needs no network."""
    fetches = "" if _mobilenet_here() else "14 MB from download.pytorch.org, once"
    mobilenet = EncoderChoice(
        DEFAULT_ENCODERS["image"], "MobileNet V2",
        "Sees colour and shape; trained on a million photos.", fetches,
    )  # fmt: skip
    if _small_weights() is None:
        return [mobilenet]
    small = EncoderChoice(
        SMALL, "Small grey network",
        "Sees 28 × 28 pixels in grey; trained on clothes, so it is rough on photos.",
    )  # fmt: skip
    return [small, mobilenet] if fetches else [mobilenet, small]


def chosen_encoder(
    spec: str | None, modality: Modality, root: Path
) -> tuple[str, Callable[[Path], object]]:
    """The spec that a project keeps, and what puts files of the encoder into its folder.

    Raises:
        ModelError: the encoder is not there, or does not read such data.
    """
    if spec is None:
        return DEFAULT_ENCODERS[modality], lambda folder: None
    if spec != SMALL:
        check_encoder(spec, modality, root)
        return spec, lambda folder: None
    weights = _small_weights()
    if weights is None:
        raise ModelError(
            "The small network comes with the samples, which are not installed; choose another "
            "encoder (--encoder)."
        )
    check_encoder(f"vgg:{weights.name}", modality, weights.parent)
    return f"vgg:{_SMALL_FILE}", lambda folder: shutil.copyfile(weights, folder / _SMALL_FILE)


def _small_weights() -> Path | None:
    root = sample_root()
    path = None if root is None else root / "fashion" / "trunk.safetensors"
    return path if path is not None and path.is_file() else None


def _mobilenet_here() -> bool:
    """Whether torchvision finds its weights without asking anybody."""
    from torch.hub import get_dir
    from torchvision.models import MobileNet_V2_Weights

    file = Path(MobileNet_V2_Weights.DEFAULT.url).name
    return (Path(get_dir()) / "checkpoints" / file).is_file()
