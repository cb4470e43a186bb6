"""How long work will take and how much memory it needs, before it begins.

The real loops are run on a few thousand made-up rows, once per device, and their speed gives a
handful of rates; the size of the task times a rate is the estimate. Times hold within a factor of
two on a machine that is as busy as it was then (tested for training, scan and judge; all works and
their memory are compared by `python -m benchmarks.estimates`). Nothing is stored here:
`workflow.device_rates` keeps the rates. Called by `workflow.estimates`.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.estimators.ridge import BLOCKS, FLIPPED_RIDGE
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import CHUNK, MEAN_SCORES, mean_influence, rows_at_a_time, scan
from influence_core.training.features import RESIDENT_BYTES, Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, initial_weights

FREE_EPOCHS = 12  # what early stopping takes, about; the text says that it is assumed
_ROWS = 8_192
_SHAPE = HeadConfig(features=256, classes=10, members=8, width=256)


@dataclass(frozen=True)
class Rates:
    """Seconds per unit of work on one device; what a unit is stands with each function below."""

    device: str
    train_product: float
    train_step: float
    turnover: float
    turnover_batch: float
    ridge: float
    ridge_batch: float


@dataclass(frozen=True)
class Estimate:
    """Seconds, and bytes above what the process holds already."""

    seconds: float
    bytes: int

    def then(self, other: "Estimate") -> "Estimate":
        """Of one work after the other."""
        return Estimate(self.seconds + other.seconds, max(self.bytes, other.bytes))

    def times(self, count: float) -> "Estimate":
        """Of the same work again and again."""
        return Estimate(self.seconds * count, self.bytes)

    def text(self, device: str = "this device") -> str:
        """For people: "about 40 s and 1.2 GB on this device"."""
        return f"about {_duration(self.seconds)} and {_size(self.bytes)} on {device}"


def measure(device: torch.device, clock: Callable[[], float] = time.perf_counter) -> Rates:
    """Run the real loops on made-up rows; a few seconds. `clock`: in seconds, what is measured."""
    rows, evidence = _made_up(device)

    def fit(batch: int) -> Callable[[], object]:
        how = HeadTraining(epochs=1, batch=batch)
        return lambda: fit_heads(rows, _SHAPE, how)

    def took(work: Callable[[], object]) -> float:
        return _seconds(work, device, clock)

    few, many = _ROWS // 512, _ROWS // 32
    coarse, fine = took(fit(512)), took(fit(32))
    size = _weights(_SHAPE)
    step = max(fine - coarse, 0.0) / (many - few)
    product = max(coarse - few * step, 0.2 * coarse) / (_ROWS * size)

    def scans(estimator: str, targets: int) -> float:
        entry = TURNOVER if estimator == "turnover" else FLIPPED_RIDGE
        query = entry.prepare(evidence).query(_targets(targets, device))
        if targets == 1:
            return took(lambda: scan(query, _ROWS, k=20))
        return took(lambda: mean_influence(query, _ROWS))

    cells = _ROWS * _SHAPE.features * _SHAPE.classes
    masks = _ROWS * _SHAPE.members * _SHAPE.width * _SHAPE.classes
    return Rates(
        device=str(device),
        train_product=product,
        train_step=step / size,
        turnover=scans("turnover", 1) / masks,
        turnover_batch=scans("turnover", 32) / (32 * masks),
        ridge=scans("flipped-ridge", 1) / cells,
        ridge_batch=scans("flipped-ridge", 32) / (32 * cells),
    )


def training(
    rates: Rates, rows: int, config: HeadConfig, how: HeadTraining | None = None
) -> Estimate:
    """Epochs × (rows × weights as products + steps × weights of the optimiser)."""
    how = how or HeadTraining()
    epochs, batch = how.epochs or FREE_EPOCHS, how.batch_for(rows)
    size, steps = _weights(config), math.ceil(rows / batch)
    seconds = epochs * size * (rows * rates.train_product + steps * rates.train_step)
    # Weights, gradients, two moments and the best so far; activations of a batch; the features.
    held = 20 * size + 16 * batch * config.members * config.width
    return Estimate(seconds, held + _features_bytes(rows, config.features))


def scanning(rates: Rates, estimator: str, rows: int, config: HeadConfig) -> Estimate:
    """One target: rows × masked units × classes, or rows × features × classes for others."""
    if estimator == TURNOVER.name:
        seconds = rates.turnover * rows * config.members * config.width * config.classes
        words = CHUNK * config.members * config.width // 8
        return Estimate(seconds, words + 16 * config.members * config.width * config.classes)
    blocks = min(config.classes, BLOCKS)
    return Estimate(
        rates.ridge * rows * config.features * blocks,
        4 * CHUNK * (config.features + config.classes) + _features_bytes(rows, config.features),
    )


def judging(rates: Rates, estimator: str, rows: int, targets: int, config: HeadConfig) -> Estimate:
    """Many targets: the scan's work times their number, at the speed of a batch."""
    # Floats a score: itself and what its means hold meanwhile; its error and tables if it has any.
    floats = 5 if estimator == TURNOVER.name else 3
    chunk = floats * 4 * targets * rows_at_a_time(targets, MEAN_SCORES) + 8 * rows
    if estimator == TURNOVER.name:
        work = rows * config.members * config.width * config.classes * targets
        return Estimate(rates.turnover_batch * work, chunk)
    work = rows * config.features * min(config.classes, BLOCKS) * targets
    held = scanning(rates, estimator, rows, config).bytes
    return Estimate(rates.ridge_batch * work, held + chunk)


def _weights(config: HeadConfig) -> int:
    return config.members * config.width * (config.features + config.classes)


def _features_bytes(rows: int, features: int) -> int:
    whole = 4 * rows * features
    return whole if whole <= RESIDENT_BYTES else 0  # larger ones stay on disk


def _seconds(work: Callable[[], object], device: torch.device, clock: Callable[[], float]) -> float:
    """The shorter of two rounds, after one that compiles."""
    took = []
    for _ in range(3):
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        took.append(clock() - start)
    return min(took[1:])


def _made_up(device: torch.device) -> tuple[Rows, Evidence]:
    draw = torch.Generator().manual_seed(0)
    d, classes = _SHAPE.features, _SHAPE.classes
    values = torch.randn(_ROWS, d, generator=draw)
    # float16, as a project's file has them: some scans read the rows so.
    features = Standardised.using(values.half().numpy(), torch.zeros(d), torch.ones(d), device)
    labels = torch.randint(0, classes, (_ROWS,), generator=draw).to(device)
    keys = torch.randint(0, 2**62, (_ROWS,), generator=draw).to(device)
    W1, b1, W2 = (part.to(device) for part in initial_weights(_SHAPE))
    flipped = torch.full((_ROWS, classes), 1 / classes, device=device)
    head = HeadWeights(W1, b1, W2, _SHAPE)
    return Rows(features, labels, keys), Evidence(features, labels, keys, flipped, head)


def _targets(count: int, device: torch.device) -> Targets:
    x = torch.randn(count, _SHAPE.features, generator=torch.Generator().manual_seed(1)).to(device)
    proba = torch.full((count, _SHAPE.classes), 1 / _SHAPE.classes, device=device)
    return Targets(x, torch.zeros(count, dtype=torch.long, device=device), proba)


def _duration(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    if seconds < 100:
        return f"{float(f'{seconds:.2g}'):.0f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _size(count: int) -> str:
    if count < 1 << 30:
        return f"{max(1, round(count / (1 << 20)))} MB"
    return f"{count / (1 << 30):.1f} GB"
