"""Train all members of a turn-over head at once, on cached features.

The loop is plain: shuffle, take a batch, give every row its own mask, step. Gradients are written
out because the network has one hidden layer: no graph is kept, activations are overwritten in
place, and the cost stays near that of the matrix products alone. Tests hold it against autograd.

*Groups* make retraining cheap and comparable: G copies of the head start from the same weights,
see the same batches and the same masks, and differ only in which rows count (`weights`) and what
their labels are. Leave-one-out, random halves, proof and cleansing are all this one mechanism.

Early stopping watches the flipped side, which is out-of-sample for every training row and costs no
held-out data. It watches the mean absolute error 1 − p(label), which label noise does not distort
(Ghosh, Kumar & Sastry 2017): cross-entropy punishes the very confidence in a *wrong* label's
opposite that we are after, and on digits with 10 % noise stopped 20 epochs early.
No gradient clipping by norm and no batch statistics here: both would carry information from one
instance into parameters that its flipped side reads.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from influence_core.errors import DataError, ModelError
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.training.head_steps import both_proba, gradients, margin
from influence_core.turnover.head import HeadConfig, initial_weights, member_masks

PROBE_ROWS = 5_000  # rows on which both sides' losses are measured after each epoch


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


def check_rows(rows: Rows, config: HeadConfig) -> None:
    """Refuse rows that cannot be trained on, naming the first offender."""
    n = len(rows.features)
    if n == 0:
        raise DataError("There are no training rows left; keep at least one row of two classes.")
    if len(rows.labels) != n or len(rows.keys) != n:
        raise DataError(
            f"{n} feature rows, {len(rows.labels)} labels and {len(rows.keys)} keys do not fit "
            "together; encode the features of this data set again."
        )
    low, high = int(rows.labels.min()), int(rows.labels.max())
    if low < 0 or high >= config.classes:
        raise DataError(
            f"A training label is {low if low < 0 else high}, but the model knows the classes "
            f"0 to {config.classes - 1}; drop rows without a label or add the class."
        )


@torch.no_grad()
def fit_heads(
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    watch: Callable[[Sequence[Tensor]], Mapping[str, float]] | None = None,
) -> HeadFit:
    """Train G groups of E members on the rows.

    Args:
        rows: N rows; group g counts row i `weights[i, g]` times (0 leaves it out).
        config: shape and masks, the same for every group.
        training: epochs, batch size, learning rate, and the seed of the batch order.
        progress: called after every epoch with both sides' losses.
        cancel: set it to stop between two batches; `CancelledError` is raised.
        watch: given the parameters after every epoch (not for groups); figures for `progress`.

    Returns:
        `HeadFit` with W1 (G·E, d, H), b1 (G·E, H), W2 (G·E, H, C), group-major.

    Raises:
        DataError: labels or lengths do not fit. ModelError: the loss is no longer finite.
    """
    check_rows(rows, config)
    loop = _Loop(rows, config, training)
    most, patience = training.stopping_for(len(rows.features))
    limit = training.epochs or most
    best, best_error, best_epoch = loop.snapshot(), float("inf"), 0
    history: list[EpochStats] = []
    for epoch in range(1, limit + 1):
        loop.epoch(cancel)
        if rows.groups > 1:
            if progress:
                progress(Progress("train", epoch, limit))
            continue
        stats = loop.probe(epoch)
        history.append(stats)
        if progress:
            more = watch(loop.params) if watch else {}
            progress(Progress("train", epoch, limit, metrics={**asdict(stats), **more}))
        if stats.flipped_error < best_error:
            best_error, best_epoch = stats.flipped_error, epoch
            if training.epochs is None:
                best = loop.snapshot()
        elif training.epochs is None and epoch - best_epoch >= patience:
            break
    if training.epochs is not None or rows.groups > 1:
        best, best_epoch = loop.snapshot(), limit
    W1, b1, W2 = best
    return HeadFit(W1, b1, W2, config, best_epoch, tuple(history), loop.aum())


class _Loop:
    """Parameters, optimiser and buffers of one `fit_heads` call."""

    def __init__(self, rows: Rows, config: HeadConfig, training: HeadTraining) -> None:
        self.rows, self.config, self.training = rows, config, training
        self.device = rows.features.rows(torch.zeros(1, dtype=torch.long)).device
        labels = rows.labels[:, 0] if rows.labels.shape[1:] == (1,) else rows.labels
        self.labels = labels.to(self.device)
        self.keys = rows.keys.to(self.device)
        self.batch = training.batch_for(len(rows.features))
        self.order = torch.Generator().manual_seed(training.seed)
        start = initial_weights(config)
        self.params = [
            t.to(self.device).repeat(rows.groups, *([1] * (t.ndim - 1))).contiguous() for t in start
        ]
        self.optimiser = torch.optim.Adam(
            self.params,
            lr=training.learning_rate,
            weight_decay=training.weight_decay,
            fused=self.device.type in ("cpu", "cuda"),
        )
        self.mean_weight: Tensor | None = None
        self.weights: Tensor | None = None
        if rows.weights is not None:
            self.weights = rows.weights.to(self.device, torch.float32)
            # One constant a group, not a sum a batch: leaving row i out must not
            # change how much its batch neighbours count.
            self.mean_weight = self.weights.mean(0).clamp_min(1e-12)
        self.margin_sum = torch.zeros(len(rows.features), device=self.device)
        self.passes = 0

    def snapshot(self) -> tuple[Tensor, Tensor, Tensor]:
        W1, b1, W2 = (p.clone() for p in self.params)
        return W1, b1, W2

    def aum(self) -> np.ndarray | None:
        if self.rows.groups > 1 or not self.passes:
            return None
        return (self.margin_sum / self.passes).cpu().numpy()

    def epoch(self, cancel: threading.Event | None) -> None:
        n = len(self.rows.features)
        order = torch.randperm(n, generator=self.order)
        for start in range(0, n, self.batch):
            check_cancel(cancel)
            self.step(order[start : start + self.batch])
        self.passes += 1
        if not all(bool(torch.isfinite(p).all()) for p in self.params):
            raise ModelError(
                "Training diverged: the weights are no longer finite. Lower the learning rate "
                f"(now {self.training.learning_rate:g}) and look for features of extreme size."
            )

    def step(self, index: Tensor) -> None:
        x = self.rows.features.rows(index)
        index = index.to(self.device)
        masks = member_masks(self.keys[index], self.config)
        labels = self.labels[index].T if self.labels.ndim == 2 else self.labels[index][None]
        scale = torch.full((1, len(index)), 1.0 / len(index), device=self.device)
        if self.weights is not None and self.mean_weight is not None:
            scale = (self.weights[index] / self.mean_weight).T / len(index)  # (G, B)
        grads, full = gradients(x, labels, scale, masks, self.params, self.config.p)
        if self.rows.groups == 1:
            self.margin_sum[index] += margin(full.mean(0), labels[0])
        for param, grad in zip(self.params, grads, strict=True):
            param.grad = grad
        self.optimiser.step()

    def probe(self, epoch: int) -> EpochStats:
        """Both sides' losses on a fixed, evenly spaced part of the training rows."""
        n = len(self.rows.features)
        index = torch.linspace(0, n - 1, min(n, PROBE_ROWS)).long()
        learned, flipped = [], []
        for part in index.split(1024):
            a, b = both_proba(
                self.rows.features.rows(part),
                self.keys[part.to(self.device)],
                self.params,
                self.config,
            )
            learned.append(a)
            flipped.append(b.mean(0))
        labels = self.labels[index.to(self.device)]
        inside, outside = torch.cat(learned, dim=1), torch.cat(flipped)
        picked = inside.gather(2, labels.expand(len(inside), -1)[..., None])
        own = outside.gather(1, labels[:, None])
        return EpochStats(
            epoch=epoch,
            learned_loss=float(-picked.clamp_min(1e-12).log().mean()),
            flipped_loss=float(-own.clamp_min(1e-12).log().mean()),
            flipped_error=float(1 - own.mean()),
            flipped_accuracy=float((outside.argmax(1) == labels).float().mean()),
        )


def with_epochs(training: HeadTraining, epochs: int) -> HeadTraining:
    """The same training with a fixed number of epochs, for comparable retrainings."""
    return replace(training, epochs=epochs)
