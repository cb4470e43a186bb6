"""What the training of heads gets and gives: rows, how to train, curves and the trained members."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from torch import Tensor

from influence_core.turnover.head import HeadConfig


class Features(Protocol):
    """Standardised rows on demand, so that features may stay on disk."""

    def __len__(self) -> int: ...

    def rows(self, index: Tensor) -> Tensor:
        """(B,) positions to (B, d) float32 on the training device."""
        ...


WORTH = 0.05  # of what the flipped side's error fell in all; less in half of the epochs ends them
LEAST_MOVED = 0.05  # steps × rate before a training may stop by itself


@dataclass(frozen=True)
class HeadTraining:
    """How to train: `epochs=None` stops by itself when the flipped side stops improving."""

    epochs: int | None = None
    max_epochs: int = 40
    batch: int = 0  # rows; 0 chooses by the number of rows
    learning_rate: float = 5e-4
    eps: float = 1e-4  # of Adam: smooth steps, so that `replay` is exact
    weight_decay: float = 0.0
    seed: int = 0

    def batch_for(self, rows: int) -> int:
        """Large batches amortise the optimiser, small sets need enough steps."""
        return self.batch or int(min(512, max(32, 2 ** round(np.log2(max(rows, 1) / 24)))))

    def most_epochs(self, rows: int) -> int:
        """Where it ends at the latest: a small set has few steps an epoch, so it gets more."""
        return self.epochs or max(self.max_epochs, -(-600 // self._steps(rows)))

    def has_ended(self, errors: Sequence[float], rows: int) -> bool:
        """Whether it stops after these epochs: the later half of them gained next to nothing.

        A single epoch is noise, so no epoch is better than the others, and the last one is kept.
        Adam moves a weight by no more than the rate a step: at first, nothing can be told.

        Args:
            errors: `EpochStats.flipped_error` of each epoch.
        """
        epoch, moved = len(errors), len(errors) * self._steps(rows) * self.learning_rate
        if self.epochs is not None or epoch < 2 or moved < LEAST_MOVED:
            return False
        gained = errors[epoch // 2 - 1] - errors[-1]
        return gained <= max(0.0, WORTH * (errors[0] - errors[-1]))

    def _steps(self, rows: int) -> int:
        """In one epoch."""
        return -(-rows // self.batch_for(rows))


@dataclass(frozen=True)
class EpochStats:
    """After one epoch: losses in nats (learned: mean over members; flipped: of the members' mean).

    `flipped_error` is 1 − p(label) on the flipped side, what early stopping watches.
    """

    epoch: int
    learned_loss: float
    flipped_loss: float
    flipped_error: float
    flipped_accuracy: float


@dataclass
class SoFar:
    """What was seen, and what was shown, after some whole epochs.

    Attributes:
        history: one entry an epoch; none for groups.
        shown: figures of each epoch, as `progress` got them; empty for groups.
    """

    history: list[EpochStats] = field(default_factory=list)
    shown: list[Mapping[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class HeadFit:
    """What training leaves: stacked parameters (G·E first), the curves, and margins."""

    W1: Tensor
    b1: Tensor
    W2: Tensor
    config: HeadConfig
    epochs: int
    history: Sequence[EpochStats] = field(default_factory=tuple)
    aum: np.ndarray | None = None  # (N,) mean over epochs of the in-sample margin


@dataclass(frozen=True)
class Rows:
    """The training rows: features, (N,) or (N, G) labels, keys, and (N, G) weights if grouped."""

    features: Features
    labels: Tensor
    keys: Tensor
    weights: Tensor | None = None

    @property
    def groups(self) -> int:
        """How many heads' worth of retrainings run side by side."""
        if self.weights is not None:
            return self.weights.shape[1]
        return self.labels.shape[1] if self.labels.ndim == 2 else 1
