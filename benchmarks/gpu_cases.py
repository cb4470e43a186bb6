"""The work that `benchmarks.gpu` does on a device: built the same on each, so that answers compare.

A case is a function of a device and sizes that gets ready and returns `Work`: what is timed, what
it answers, and how far two devices' answers may lie apart. Nothing here knows which device it is.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from benchmarks.folders import lasting_folder
from benchmarks.replay_time import rows_of
from benchmarks.scan_cases import FEATURES, head_evidence
from influence_core.evaluation.proof import Proving, prove
from influence_core.influence import estimator, topk
from influence_core.influence.base import Evidence, HeadWeights, Scores, Targets
from influence_core.influence.estimators.turnover import torch_scores
from influence_core.influence.scan import mean_influence, scan
from influence_core.influence.sides import both_sides
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, hidden, member_masks, own_values

Answer = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sizes:
    """How much of everything; `FULL` are the sizes of the numbers that are asked for."""

    rows: int = 50_000
    scanned: int = 1_000_000
    judged: int = 1_000
    members: int = 16
    width: int = 256
    epochs: int = 3
    texts: int = 4_096
    pictures: int = 512
    sentences: int = 512
    retrainings: int = 10


FULL = Sizes()
QUICK = Sizes(5_000, 50_000, 50, epochs=2, texts=256, pictures=64, sentences=64, retrainings=3)
TINY = Sizes(96, 300, 6, 2, 16, epochs=1, texts=6, pictures=3, sentences=8, retrainings=1)


@dataclass(frozen=True)
class Work:
    """What a case does on a device.

    Attributes:
        run: what is timed; its answer. kind: how answers are compared, see `benchmarks.gpu`.
        made: what stands in for weights that this machine does not have, in words.
    """

    run: Callable[[], Answer]
    kind: str = "scores"
    made: str = ""


Case = Callable[[torch.device, Sizes], Work]


def _head(sizes: Sizes, classes: int = 2) -> HeadConfig:
    return HeadConfig(FEATURES, classes, sizes.members, sizes.width)


def _rows(device: torch.device, sizes: Sizes) -> tuple[Rows, Targets, HeadTraining]:
    """Rows of two classes, with their features on the device, and items to ask about."""
    rows, x, y = rows_of(sizes.rows)
    held = rows.features.raw  # type: ignore[attr-defined]
    zero, one = torch.zeros(FEATURES), torch.ones(FEATURES)
    there = Standardised.using(held, zero, one, device)
    proba = torch.full((len(y), 2), 0.5, device=device)
    training = HeadTraining(epochs=sizes.epochs)
    return (
        Rows(there, rows.labels.to(device), rows.keys.to(device)),
        Targets(x.to(device), y.to(device), proba),
        training,
    )


def _run(device: torch.device, sizes: Sizes) -> tuple[Evidence, Targets]:
    """A head as it would be after a training on the CPU, so that every device has the same."""
    rows, targets, training = _rows(torch.device("cpu"), sizes)
    fit = fit_heads(rows, _head(sizes), training)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, fit.config)
    sides = both_sides(rows.features, rows.labels, rows.keys, head)
    here, asked, training = _rows(device, sizes)
    there = HeadWeights(*(t.to(device) for t in (fit.W1, fit.b1, fit.W2)), fit.config)
    flipped = torch.from_numpy(sides.flipped).to(device)
    evidence = Evidence(here.features, here.labels, here.keys, flipped, there, training)
    return evidence, replace(asked, proba=head.proba(targets.features).to(device))


def masks(device: torch.device, sizes: Sizes) -> Work:
    """Masks of all members."""
    config, keys = _head(sizes), head_evidence(sizes.rows, 2).keys
    there = keys.to(device)

    def run() -> Answer:
        # A sum by rows crosses over, not the masks: half a gigabyte of them.
        parts = [own_values(part, config, 1.0, 0.0) for part in there.split(16_384)]
        return {"first rows": _cpu(parts[0][:, :256]), "units": _cpu(torch.cat(
            [part.sum(2, dtype=torch.int32) for part in parts], 1))}  # fmt: skip

    return Work(run, "bits")


def training(device: torch.device, sizes: Sizes) -> Work:
    """A head on cached features."""
    rows, _, how = _rows(device, sizes)

    def run() -> Answer:
        fit = fit_heads(rows, _head(sizes), how)
        return {"losses": np.array([[e.learned_loss, e.flipped_loss] for e in fit.history])}

    return Work(run, "trained")


def sides(device: torch.device, sizes: Sizes) -> Work:
    """Both sides of every training row."""
    evidence, _ = _run(device, sizes)

    def run() -> Answer:
        assert evidence.head is not None
        found = both_sides(evidence.features, evidence.labels, evidence.keys, evidence.head)
        own = evidence.labels.cpu().numpy()[:, None]
        return {"losses": -np.log(np.take_along_axis(found.flipped, own, 1))}

    return Work(run, "losses")


def _on(device: torch.device, evidence: Evidence) -> Evidence:
    """A made-up run, somewhere else."""
    assert evidence.head is not None
    head = evidence.head
    there = HeadWeights(*(t.to(device) for t in (head.W1, head.b1, head.W2)), head.config)
    return replace(
        evidence,
        labels=evidence.labels.to(device),
        keys=evidence.keys.to(device),
        flipped=evidence.flipped.to(device),
        head=there,
    )


def _made_up(device: torch.device, sizes: Sizes, rows: int, items: int) -> tuple[Any, int]:
    evidence = head_evidence(rows, 10, HeadConfig(FEATURES, 10, sizes.members, sizes.width))
    x = torch.randn(items, FEATURES, generator=torch.Generator().manual_seed(7)).to(device)
    labels = (torch.arange(items) % 10).to(device)
    targets = Targets(x, labels, torch.full((items, 10), 0.1, device=device))
    return estimator("turnover").prepare(_on(device, evidence)).query(targets), rows


def _ranked(query: Any, rows: int) -> Answer:
    """Scores of all rows, and the first twenty both ways."""
    keep = np.empty((1, rows), np.float32)
    found = scan(query, rows, k=20, keep=keep)
    first = [top.positions for top in (found.helpful[0], found.harmful[0])]
    return {"scores": keep, "top": np.concatenate(first)}


def turnover(device: torch.device, sizes: Sizes) -> Work:
    """One item against all rows, ten classes."""
    query, rows = _made_up(device, sizes, sizes.scanned, 1)
    return Work(lambda: _ranked(query, rows))


def judge(device: torch.device, sizes: Sizes) -> Work:
    """The mean over many items, all rows, ten classes."""
    query, rows = _made_up(device, sizes, sizes.rows, sizes.judged)
    return Work(lambda: {"scores": mean_influence(query, rows)[0][None]})


def ridge(device: torch.device, sizes: Sizes) -> Work:
    """One item by the ridge."""
    evidence, targets = _run(device, sizes)
    query = estimator("flipped-ridge").prepare(evidence).query(targets[:1])
    return Work(lambda: _ranked(query, sizes.rows))


def replay(device: torch.device, sizes: Sizes) -> Work:
    """One item by the training backwards, which is on record already when it is timed."""
    evidence, targets = _run(device, sizes)
    prepared = estimator("replay").prepare(evidence)
    return Work(lambda: _ranked(prepared.query(targets[:1]), sizes.rows), "replayed")


def verify(device: torch.device, sizes: Sizes) -> Work:
    """Retrainings without ten rows, beside random ones and none."""
    rows, targets, how = _rows(device, sizes)
    job = Proving(rows, _head(sizes), how, targets.features[:1])
    listed = np.arange(0, sizes.rows, sizes.rows // 10)[:10]

    def run() -> Answer:
        arms = prove(job, listed, retrainings=sizes.retrainings).arms
        return {"losses": -np.log(np.stack([arms[name] for name in sorted(arms)]))}

    return Work(run, "trained")


def texts(device: torch.device, sizes: Sizes) -> Work:
    """MiniLM on sentences of 5 to 60 words."""
    from benchmarks.gpu_models import text_encoder

    encoder, made = text_encoder(device)
    draw = np.random.default_rng(0)
    words = ["film", "begins", "well", "ends", "where", "nobody", "would", "look", "again"]
    some = [" ".join(draw.choice(words, draw.integers(5, 60))) for _ in range(sizes.texts)]
    return Work(lambda: {"features": encoder.encode(some)}, "half", made)


def pictures(device: torch.device, sizes: Sizes) -> Work:
    """An image encoder on pictures of 224 pixels."""
    from benchmarks.gpu_models import image_encoder, random_picture

    encoder, made = image_encoder(device)
    some = [random_picture(seed) for seed in range(sizes.pictures)]
    return Work(lambda: {"features": encoder.encode(some)}, "half", made)


def network(device: torch.device, sizes: Sizes) -> Work:
    """A text network with turn-over layers, one epoch."""
    from benchmarks.gpu_models import fine_tuning

    run, made = fine_tuning(device, sizes.sentences)
    return Work(lambda: {"losses": np.array([[run()]])}, "tuned", made)


def opening(device: torch.device, sizes: Sizes) -> Work:
    """From a feature file to the first list: features to the device, ridge prepared, scanned."""
    path = lasting_folder() / "features.npy"
    evidence, targets = _run(device, sizes)
    np.save(path, evidence.features.raw.astype(np.float16))  # type: ignore[attr-defined]
    held = evidence.features

    def run() -> Answer:
        raw = np.load(path, mmap_mode="r")
        mean, scale = held.mean.cpu(), held.scale.cpu()  # type: ignore[attr-defined]
        opened = replace(evidence, features=Standardised.using(raw, mean, scale, device))
        prepared = estimator("flipped-ridge").prepare(opened)
        return _ranked(prepared.query(targets[:1]), sizes.rows)

    return Work(run)


def _cpu(tensor: torch.Tensor) -> np.ndarray:
    return tensor.cpu().numpy()


ALL: dict[str, tuple[Case, str]] = {
    "masks": (masks, "masks of {rows:,} rows, {members} x {width}"),
    "training": (training, "head training, {rows:,} rows x 384, {epochs} epochs"),
    "sides": (sides, "both sides of {rows:,} rows"),
    "turnover": (turnover, "turn-over scan, {scanned:,} rows x {units:,} units x 10 classes"),
    "ridge": (ridge, "ridge, one item, {rows:,} rows"),
    "opening": (opening, "first explanation: features to the device, ridge, {rows:,} rows"),
    "replay": (replay, "replay, one item, {rows:,} rows"),
    "judge": (judge, "judge of {judged:,} items, {rows:,} rows, 10 classes"),
    "verify": (verify, "Verify, {retrainings} retrainings of three arms, {rows:,} rows"),
    "texts": (texts, "encoding of {texts:,} sentences"),
    "pictures": (pictures, "encoding of {pictures:,} pictures"),
    "network": (network, "fine-tuning with turn-over layers, {sentences:,} sentences"),
}


def torch_beside_compiled(sizes: Sizes) -> Iterator[tuple[str, str, Answer, Answer]]:
    """Title, kind of comparison, the torch path's answer on the CPU, and the compiled loops'."""
    config = HeadConfig(FEATURES, 10, sizes.members, sizes.width)
    evidence = head_evidence(sizes.rows, 10, config)
    assert evidence.head is not None
    own = {"masks": own_values(evidence.keys, config, 1 / config.p, 0.0).numpy()}
    yield "masks", "bits", own, {
        "masks": member_masks(evidence.keys, config)[..., : own["masks"].shape[2]].numpy()
    }  # fmt: skip
    x, labels = torch.randn(5, FEATURES), torch.arange(5)
    targets = Targets(x, labels, torch.full((5, 10), 0.1))
    h = hidden(x, evidence.head.W1, evidence.head.b1)
    compiled = estimator("turnover").prepare(evidence)
    for title, count in (("turn-over scan", 1), ("turn-over scan of five items", 5)):
        slow = torch_scores(evidence.keys, evidence.head, h[:, :count], labels[:count])
        quick = compiled.query(targets[:count]).scores(slice(0, sizes.rows))
        yield title, "scores", _strongest(slow, "_sorted"), _strongest(quick, "_inserted")
    run, asked = _run(torch.device("cpu"), sizes)
    ready = estimator("flipped-ridge").prepare(run)
    one = ready.query(asked[:1]).scores(slice(0, sizes.rows))
    two = ready.query(asked[:2]).scores(slice(0, sizes.rows))  # of two, torch multiplies
    yield "ridge", "scores", {"scores": two.scores[:1].numpy()}, {"scores": one.scores.numpy()}


def _strongest(found: Scores, way: str) -> Answer:
    """Scores of the first item and its first twenty, sorted or inserted (`influence.topk`)."""
    scores = found.scores[:1]
    stderr, positions = torch.zeros_like(scores), torch.arange(scores.shape[1])
    tops = [getattr(topk, way)(scores, stderr, positions, 20, sign, None) for sign in (1.0, -1.0)]
    first = torch.cat([top.positions[top.real] for top in tops])
    return {"scores": scores.numpy(), "top": first.numpy()}
