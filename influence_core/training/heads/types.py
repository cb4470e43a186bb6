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


@dataclass(frozen=True)
class HeadTraining:
    """How to train: `epochs=None` stops by itself when the flipped side stops improving."""

    epochs: int | None = None
    max_epochs: int = 40
    patience: int = 3
    batch: int = 0  # rows; 0 chooses by the number of rows
    learning_rate: float = 5e-4
    eps: float = 1e-4  # of Adam: smooth steps, so that `replay` is exact
    weight_decay: float = 0.0
    seed: int = 0

    def batch_for(self, rows: int) -> int:
        """Large batches amortise the optimiser, small sets need enough steps."""
        return self.batch or int(min(512, max(32, 2 ** round(np.log2(max(rows, 1) / 24)))))

    def stopping_for(self, rows: int) -> tuple[int, int]:
        """(most epochs, patience): a small set has few steps an epoch, so it gets more epochs."""
        steps = -(-rows // self.batch_for(rows))
        return max(self.max_epochs, -(-600 // steps)), max(self.patience, -(-60 // steps))


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
    """What early stopping knows, and what was shown, after some whole epochs.

    Attributes:
        best: W1, b1, W2 of the best epoch, or of the start.
        best_error: its `flipped_error`.
        best_epoch: its number from 1; 0 before the first.
        history: one entry an epoch; none for groups.
        shown: figures of each epoch, as `progress` got them; empty for groups.
    """

    best: tuple[Tensor, Tensor, Tensor]
    best_error: float = float("inf")
    best_epoch: int = 0
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
