"""Build a network with turn-over layers from an encoder's name, and the rows that it takes.

The specs are those of frozen encoders (`models.encoders`): `minilm` and `hf:<name or folder>`
become a sentence classifier over the encoder, `vgg:<file>` and `torchvision:<name>` image networks
with their pretrained weights; `vgg:<plan>` is a small one from scratch (`scratch_vgg`). Only the
last layer is new. A run keeps the settings and the learned weights; building again with the same
settings and loading them gives the same network.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor, nn

from influence_core.data.dataset import Split
from influence_core.data.images import open_image
from influence_core.errors import ModelError, one_line
from influence_core.models.images import pretrained, read_vgg
from influence_core.models.scratch_vgg import is_plan, scratch_spec, scratch_vgg
from influence_core.models.text import load_text_model
from influence_core.models.tokens import hugging_face_source, minilm_folder
from influence_core.training.networks.checkpoint import load_learned
from influence_core.training.networks.rows import NetworkRows, image_rows, text_rows, tokens
from influence_core.training.networks.sentence_classifier import SentenceClassifier
from influence_core.turnover.calls import Inputs
from influence_core.turnover.inject.inject import InjectReport, inject
from influence_core.turnover.inject.norms import freeze_batchnorm
from influence_core.turnover.inject.twins import Twins

RowsOf = Callable[[Split], NetworkRows]
Prepare = Callable[[Sequence[Any]], Inputs]


@dataclass(frozen=True)
class NetworkSettings:
    """What a network is: encoder spec, classes, and its masks.

    `blocks` are the last blocks that carry masks beside the classifier; None is the plan's default.
    """

    encoder: str
    classes: int
    blocks: int | None = None
    p: float = 0.5
    seed: int = 0
    twins: Twins = "widen"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for `run.json`."""
        return asdict(self)


@dataclass(frozen=True)
class Network:
    """A network ready to train.

    Attributes:
        model: with turn-over layers.
        settings: what it was built from.
        report: what `inject` did to it.
        modality: "image" or "text".
        prepare: sentences, or encoded images, to model inputs on the CPU.
        rows: a split to rows.
        learning_rate: where to begin for this kind of network.
    """

    model: nn.Module
    settings: NetworkSettings
    report: InjectReport
    modality: Literal["image", "text"]
    prepare: Prepare
    rows: RowsOf
    learning_rate: float


@dataclass(frozen=True)
class _Bare:
    """A pretrained network with a new last layer, before masks."""

    model: nn.Module
    modality: Literal["image", "text"]
    prepare: Prepare
    rows: RowsOf
    learning_rate: float


def build_network(settings: NetworkSettings, *, root: Path | None = None) -> Network:
    """Build, seed the new layer, inject.

    Args:
        settings: what to build.
        root: the project folder, for files that the encoder spec names.

    Raises:
        ModelError: unknown spec, missing weights, or an architecture without a plan.
    """
    scheme, _, rest = settings.encoder.partition(":")
    if scheme not in BUILDERS:
        raise ModelError(
            f"A network cannot be built from {settings.encoder!r}; whole-network training knows "
            f"{', '.join(BUILDERS)}, such as 'minilm' or 'torchvision:vgg11'."
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        bare = BUILDERS[scheme](rest, settings.classes, root)
        report = inject(
            bare.model, settings.blocks, p=settings.p, seed=settings.seed, twins=settings.twins
        )
    return Network(
        bare.model,
        settings,
        report,
        bare.modality,
        bare.prepare,
        bare.rows,
        bare.learning_rate,
    )


def load_network(
    settings: NetworkSettings, state: Mapping[str, Tensor], *, root: Path | None = None
) -> Network:
    """Build a stored run's network again and put its learned weights in.

    Raises:
        MismatchError: the weights were trained under other masks.
        ModelError: a weight is missing or has another shape.
    """
    network = build_network(settings, root=root)
    trainable = {n for n, p in network.model.named_parameters() if p.requires_grad}
    missing = sorted(trainable - set(state))
    if missing:
        raise ModelError(
            f"The stored network lacks {len(missing)} of its weights, such as {missing[0]}; the "
            "file was cut short or belongs to another network, so train again."
        )
    try:
        load_learned(network.model, state)
    except RuntimeError as error:
        raise ModelError(
            f"The stored weights do not fit the network: {one_line(error)}."
        ) from error
    network.model.eval()
    return network


def _hugging_face(rest: str, classes: int, root: Path | None) -> _Bare:
    return _text(hugging_face_source(rest, root), classes)


def _minilm(rest: str, classes: int, root: Path | None) -> _Bare:
    return _text(minilm_folder(), classes)


def _text(source: str, classes: int) -> _Bare:
    encoder, tokenizer, most = load_text_model(source)
    return _Bare(
        SentenceClassifier(encoder.float(), classes),  # a checkpoint may be in half precision
        "text",
        lambda texts: tokens(tokenizer, list(texts), most),
        lambda split: text_rows(split, tokenizer, most),
        2e-4,
    )


def _vgg(rest: str, classes: int, root: Path | None) -> _Bare:
    if is_plan(rest):
        fresh = scratch_spec(rest, classes)
        return _images(scratch_vgg(fresh), fresh.prepare, 2e-3)
    spec, model = read_vgg((root or Path()) / rest)
    _new_last_layer(model, classes)
    return _images(model, spec.prepare, 1e-3)


def _torchvision(rest: str, classes: int, root: Path | None) -> _Bare:
    model, transforms = pretrained(rest)
    freeze_batchnorm(model)
    _new_last_layer(model, classes)
    return _images(model, lambda picture: transforms(picture.convert("RGB")), 1e-4)


def _images(
    model: nn.Module, prepare: Callable[[Image.Image], Tensor], learning_rate: float
) -> _Bare:
    return _Bare(
        model,
        "image",
        lambda pictures: torch.stack([prepare(open_image(raw)) for raw in pictures]),
        lambda split: image_rows(split, prepare, mirror=True),
        learning_rate,
    )


def _new_last_layer(model: nn.Module, classes: int) -> None:
    """Without a bias, which both sides of every row would share."""
    *_, (path, last) = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear))
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, nn.Linear(last.in_features, classes, bias=False))


BUILDERS: dict[str, Callable[[str, int, Path | None], _Bare]] = {
    "minilm": _minilm,
    "hf": _hugging_face,
    "vgg": _vgg,
    "torchvision": _torchvision,
}
