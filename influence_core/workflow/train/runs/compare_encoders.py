"""Which encoder should I use? Several on the user's own data, side by side.

Each encodes the training rows and those of test, gets a lean head, and is asked three
things: how many items it has right, how well it finds labels that were made wrong on purpose
(average precision of the flipped side's doubt), and what a thousand rows cost. Features stay with
the project, so a run by the encoder that is chosen need not make them again.

`turnover encode --encoder A --encoder B` calls this; Runs shows what it has found.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from influence_core.data.dataset import Split
from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import build
from influence_core.errors import DataError
from influence_core.evaluation.planted import planted_noise
from influence_core.influence.base import HeadWeights
from influence_core.models.device import pick_device
from influence_core.models.encode import encode_split
from influence_core.models.encoders import Encoder, check_encoder, encodes, for_texts, load_encoder
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.presets import preset
from influence_core.training.heads.types import Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

FILE = "encoders.json"
TIMED = 128  # rows that are encoded for the clock
PLANTED = 0.1  # share of the labels that are made wrong
CLEAR = 2.0  # standard errors between two accuracies that can be told apart


@dataclass(frozen=True)
class EncoderScore:
    """One encoder on one data set.

    Attributes:
        encoder: its spec. numbers: length of a feature vector.
        split, accuracy, error: share of the items of this split that are right, and its standard
            error. label_ap: average precision for labels made wrong, chance is `PLANTED`.
        seconds: to encode a thousand rows on this machine.
    """

    encoder: str
    numbers: int
    split: str
    accuracy: float
    error: float
    label_ap: float
    seconds: float


def compare_encoders(
    project: Project,
    specs: Sequence[str],
    *,
    device: str = "auto",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> list[EncoderScore]:
    """Try encoders on a project's data; what is found is kept with it, one encoder after the other.

    Args:
        project: with labelled items in test or valid.
        specs: of encoders; one that stands twice is tried once.

    Raises:
        ModelError: an encoder is unknown, out of reach, or for other data. DataError: there are no
            labelled items to tell by. CancelledError: those that were done are kept.
    """
    data, split = project.dataset, _told_on(project)
    chosen = list(dict.fromkeys(specs))
    for spec in chosen:
        if encodes(spec) != data.modality:
            check_encoder(spec, data.modality, project.root)  # says what is wrong
    found = []
    for spec in chosen:
        check_cancel(cancel)
        encoder = load_encoder(spec, root=project.root, device=pick_device(device))
        if data.modality == "text":
            encoder = for_texts(encoder, (part.texts() for part in data))
        seconds = _seconds(encoder, data.train)
        for part in (data.train, split):
            path = project.features_path(part.name, encoder.fingerprint)
            path.parent.mkdir(parents=True, exist_ok=True)
            encode_split(
                encoder, part, path,
                dataset_fingerprint=project.fingerprint, progress=progress, cancel=cancel,
            )  # fmt: skip
        found.append(_score(project, encoder, split, seconds, progress, cancel))
        _keep(project, found)
    return found


def encoder_scores(project: Project) -> list[EncoderScore]:
    """What was found on this data, the most accurate first; empty if nothing was.

    Raises:
        StoreError: the file is damaged.
    """
    path = project.root / FILE
    if not path.is_file():
        return []
    stored = upgraded("encoders", read_json(path), path)
    if stored.get("fingerprint") != project.fingerprint:
        return []
    place = f"an encoder in {path}"
    scores = [build(EncoderScore, score, place) for score in stored.get("scores", [])]
    return sorted(scores, key=lambda score: -score.accuracy)


def verdict(scores: Sequence[EncoderScore]) -> str:
    """Which to use, in one sentence; "" for fewer than two."""
    if len(scores) < 2:
        return ""
    best, *others = sorted(scores, key=lambda score: -score.accuracy)
    equal = [
        o for o in others if best.accuracy - o.accuracy < CLEAR * np.hypot(best.error, o.error)
    ]
    if not equal:
        return f"Use {best.encoder}: it is clearly the most accurate on {best.split}."
    cheapest = min([best, *equal], key=lambda score: score.seconds)
    finder = max([best, *equal], key=lambda score: score.label_ap)
    names = ", ".join(score.encoder for score in (best, *equal))
    return (
        f"On {best.split} these cannot be told apart: {names}; of them {cheapest.encoder} is the "
        f"cheapest, and {finder.encoder} finds wrong labels best."
    )


def _told_on(project: Project) -> Split:
    """The split whose accuracy is told."""
    for name in ("test", "valid"):
        split = project.dataset.splits.get(name)
        if split is not None and (np.asarray(split.labels) >= 0).any():
            return split
    raise DataError(
        f"Project '{project.name}' has no labelled test or valid rows, so nothing tells which "
        "encoder is better; make it again with some (turnover new --test)."
    )


def _seconds(encoder: Encoder, split: Split) -> float:
    """To encode a thousand rows, from a few that lie evenly over the split."""
    positions = np.linspace(0, len(split) - 1, min(len(split), TIMED)).astype(np.int64)
    items = split.items(positions)
    encoder.encode(items[:2])  # the first call pays for more than its rows
    start = time.perf_counter()
    encoder.encode(items)
    return (time.perf_counter() - start) * 1000 / len(items)


def _score(
    project: Project,
    encoder: Encoder,
    split: Split,
    seconds: float,
    progress: ProgressFn | None,
    cancel: threading.Event | None,
) -> EncoderScore:
    train, lean = project.dataset.train, preset("lean")
    features = Standardised.fit(project.features("train", encoder.fingerprint))
    labels = torch.from_numpy(np.array(train.labels))
    rows = Rows(features, labels, as_keys(train.keys))
    config = HeadConfig(len(features.mean), len(project.dataset.classes), lean.members, lean.width)
    training = lean.training(len(train))

    def tell(event: Progress) -> None:
        if progress:
            progress(Progress(event.stage, event.done, event.total, encoder.name))

    fit = fit_heads(rows, config, training, progress=tell, cancel=cancel)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    raw = project.features(split.name, encoder.fingerprint)
    items = np.flatnonzero(np.asarray(split.labels) >= 0)
    x = Standardised.using(raw, features.mean, features.scale).rows(torch.from_numpy(items))
    hits = head.proba(x).argmax(1).numpy() == np.asarray(split.labels)[items]
    noise = planted_noise(rows, config, training, share=PLANTED, progress=tell, cancel=cancel)
    return EncoderScore(
        encoder.name,
        encoder.dim,
        split.name,
        float(hits.mean()),
        float(hits.std() / np.sqrt(len(hits))),
        noise["flipped"].average_precision,
        seconds,
    )


def _keep(project: Project, found: Sequence[EncoderScore]) -> None:
    """Beside those of an earlier call that are not among them."""
    names = {score.encoder for score in found}
    scores = [*found, *(old for old in encoder_scores(project) if old.encoder not in names)]
    stored = {"fingerprint": project.fingerprint, "scores": [asdict(score) for score in scores]}
    write_json(Path(project.root) / FILE, stamped("encoders", stored))
