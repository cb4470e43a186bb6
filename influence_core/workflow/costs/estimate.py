"""What work on heads costs: its size times a rate of the device. Called by `workflow.expected`.

Times hold within a factor of two on a machine that is as busy as when its rates were measured; all
works and their memory are compared by `python -m benchmarks.estimates`.
"""

import math
from dataclasses import dataclass

from influence_core.influence.estimators.replay import ROOM
from influence_core.influence.estimators.ridge import BLOCKS
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import CHUNK, MEAN_SCORES, rows_at_a_time
from influence_core.training.features import RESIDENT_BYTES
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig

FREE_EPOCHS = 12  # what early stopping takes, about; the sentence says that it is assumed
LONG = 10  # seconds; of shorter work nobody is told


@dataclass(frozen=True)
class Rates:
    """Seconds per unit of work on one device; `encode` is one encoder's, 0 if nothing is encoded.

    Attributes:
        product: of training, per row and weight. step: of the optimiser, per step and weight.
        turnover: of a mean over targets, per target, row, masked unit and class.
        ridge: the same for estimators of matrix products, per target, row, feature and class.
        encode: per character of a text, or per picture.
    """

    product: float
    step: float
    turnover: float
    ridge: float
    encode: float = 0.0


@dataclass(frozen=True)
class Estimate:
    """Seconds, and bytes above what the process holds already."""

    seconds: float = 0.0
    bytes: int = 0

    def then(self, other: "Estimate") -> "Estimate":
        """Of one work after the other."""
        return Estimate(self.seconds + other.seconds, max(self.bytes, other.bytes))

    def times(self, count: float) -> "Estimate":
        """Of the same work again and again."""
        return Estimate(self.seconds * count, self.bytes)

    def sentence(self, more: str = "") -> str | None:
        """For people, with `more` before the full stop; None if the work is short."""
        if self.seconds < LONG:
            return None
        took, held = duration(self.seconds), _size(self.bytes)
        return f"This takes about {took} and {held} on this device{more}."


def training(
    rates: Rates, rows: int, config: HeadConfig, how: HeadTraining | None = None
) -> Estimate:
    """Epochs × (rows × weights as products + steps × weights of the optimiser)."""
    how = how or HeadTraining()
    epochs, batch = how.epochs or FREE_EPOCHS, how.batch_for(rows)
    size = config.members * config.width * (config.features + config.classes)
    steps = math.ceil(rows / batch)
    seconds = epochs * size * (rows * rates.product + steps * rates.step)
    # Weights, gradients, two moments and the best so far; activations of a batch; the features.
    held = 20 * size + 16 * batch * config.members * config.width
    return Estimate(seconds, held + _features_bytes(rows, config.features))


def scanning(rates: Rates, estimator: str, rows: int, targets: int, config: HeadConfig) -> Estimate:
    """Targets × rows × classes × masked units; for others than turn-over, × features."""
    # Floats a score: itself and what its means hold meanwhile; its error and tables if it has any.
    floats = 5 if estimator == TURNOVER.name else 3
    held = floats * 4 * targets * min(rows, rows_at_a_time(targets, MEAN_SCORES)) + 8 * rows
    if estimator == TURNOVER.name:
        work = rows * config.members * config.width * config.classes * targets
        return Estimate(rates.turnover * work, held)
    work = rows * config.features * min(config.classes, BLOCKS) * targets
    held += 4 * CHUNK * (config.features + config.classes)
    return Estimate(rates.ridge * work, held + _features_bytes(rows, config.features))


def replaying(
    rates: Rates, rows: int, targets: int, config: HeadConfig, how: HeadTraining
) -> Estimate:
    """The training once more, and backwards: about half a training for each of many targets."""
    once = training(rates, rows, config, how)
    size = config.members * config.width * (config.features + config.classes + 1)
    steps = (how.epochs or FREE_EPOCHS) * math.ceil(rows / how.batch_for(rows))
    tape = min(ROOM, 4 * size * (steps + 6 * math.ceil(steps**0.5)))
    held = once.bytes + tape + 12 * size * min(targets, 16) + 4 * rows * targets
    return Estimate(once.seconds * (1.5 + 0.6 * targets), held)


def _features_bytes(rows: int, features: int) -> int:
    whole = 4 * rows * features
    return whole if whole <= RESIDENT_BYTES else 0  # larger ones stay on disk


def duration(seconds: float) -> str:
    """40 s, 12 min, 3.1 h."""
    if seconds < 100:
        return f"{float(f'{seconds:.2g}'):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6_000 else f"{seconds / 3600:.1f} h"


def _size(count: int) -> str:
    if count < 1 << 30:
        return f"{max(1, round(count / (1 << 20)))} MB"
    return f"{count / (1 << 30):.1f} GB"
