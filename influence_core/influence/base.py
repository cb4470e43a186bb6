"""What every estimator of influence gets and gives.

An estimator answers: by how much did training row i lower (positive, *helpful*) or raise
(negative, *harmful*) the loss on target t? It works in three steps, each as rare as it can be:
`prepare` once per run, `query` once per batch of targets, `scores` once per chunk of rows. So a
scan over millions of rows holds one chunk, and shows its first ranking after the first one.

A new estimator is one file with one class and one line in `influence/__init__.py`.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from influence_core.errors import ModelError
from influence_core.progress import ProgressFn
from influence_core.training.heads.types import Features, HeadTraining
from influence_core.turnover.head import HeadConfig, hidden


@dataclass(frozen=True)
class HeadWeights:
    """A trained head: W1 (E, d, H), b1 (E, H), W2 (E, H, C)."""

    W1: Tensor
    b1: Tensor
    W2: Tensor
    config: HeadConfig

    def logits(self, x: Tensor) -> Tensor:
        """(B, d) to the full network's logits (E, B, C)."""
        return torch.bmm(hidden(x, self.W1, self.b1), self.W2)

    def proba(self, x: Tensor) -> Tensor:
        """(B, d) to class probabilities (B, C), the mean over members."""
        return self.logits(x).softmax(-1).mean(0)


@dataclass(frozen=True)
class Evidence:
    """One trained run as estimators see it.

    `flipped` (N, C) are the flipped side's class probabilities, out-of-sample for every row;
    `leaning` (N, C) are those that residuals are read from, if others.
    `head` is None for a whole-network run, whose `features` are those of the trained network.
    `training` is how the head was trained, with the number of epochs that it kept, and `weights`
    how much each row counted in it, (N, 1), if not all alike.
    """

    features: Features
    labels: Tensor  # (N,) int64
    keys: Tensor  # (N,) int64
    flipped: Tensor  # (N, C)
    head: HeadWeights | None = None
    training: HeadTraining | None = None
    weights: Tensor | None = None
    leaning: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def device(self) -> torch.device:
        """Where the arithmetic happens."""
        return self.flipped.device


@dataclass(frozen=True)
class Targets:
    """Rows to explain: features (T, d), the label whose loss is asked about (T,), proba (T, C)."""

    features: Tensor
    labels: Tensor
    proba: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice) -> "Targets":
        return Targets(self.features[part], self.labels[part], self.proba[part])


@dataclass(frozen=True)
class Scores:
    """Influence (T, n) of a chunk of rows, and its standard error where there is one."""

    scores: Tensor
    stderr: Tensor | None = None


class Query(Protocol):
    """Targets made ready: scores any chunk of training rows."""

    def scores(self, rows: slice) -> Scores:
        """Influence of rows[start:stop] on every target."""
        ...


@runtime_checkable
class LongQuery(Query, Protocol):
    """A query that scores all rows by one long pass, before the first chunk is asked for."""

    def run(self, progress: ProgressFn | None, cancel: threading.Event | None) -> None:
        """Make that pass. Raises `CancelledError` if it was cancelled."""
        ...


@runtime_checkable
class NatsQuery(LongQuery, Protocol):
    """A query that tells in nats how the losses change without some rows."""

    def by_member(self, rows: Tensor) -> Tensor | None:
        """What each of these rows, (k,) positions, did to each member's own loss, (T, E, k).

        Positive lowered it, so the loss without them is higher by the sum. None where no part of
        a blend knows.
        """
        ...


class Prepared(Protocol):
    """A run made ready."""

    def query(self, targets: Targets) -> Query:
        """Do the work that depends on the targets only."""
        ...


@dataclass(frozen=True)
class MeanScores:
    """Influence of each row on many targets together: mean over them and its standard error, (N,).

    `freedom` is how many degrees of freedom the error has; it is NaN for a single target.
    """

    mean: npt.NDArray[np.float32]
    stderr: npt.NDArray[np.float32]
    freedom: float = math.inf


@runtime_checkable
class JointPrepared(Prepared, Protocol):
    """A run that answers for many targets together at the price of a few."""

    def mean(
        self, targets: Targets, progress: ProgressFn | None, cancel: threading.Event | None
    ) -> MeanScores:
        """Mean influence on all of them. Raises `CancelledError` if it was cancelled."""
        ...


@runtime_checkable
class LinearPrepared(Prepared, Protocol):
    """A run whose scores are linear in the target, so that a mean costs what one target costs."""

    def together(self, targets: Targets) -> Query:
        """A query of one line, (1, n): the mean of the targets' scores."""
        ...


# What an evaluation has chosen for an estimator, such as {"strength": 4.0}: plain JSON values, kept
# with the project (`store.evaluations`). Every estimator works without any.
Settings = Mapping[str, Any]
NO_SETTINGS: Settings = {}


class Prepare(Protocol):
    """How an estimator begins: the work that depends on the run and the settings only."""

    def __call__(self, evidence: Evidence, settings: Settings = NO_SETTINGS) -> Prepared:
        """Make the run ready."""
        ...


@dataclass(frozen=True)
class Estimator:
    """An entry of the registry: what a user reads, and how to begin."""

    name: str
    title: str
    explanation: str  # two lines, plain text
    source: str
    prepare: Prepare
    needs_head: bool = False  # reads masks or weights of a turn-over head
    by_pass: bool = False  # goes through the whole training for an answer, so it takes a while


def need_head(evidence: Evidence, name: str) -> HeadWeights:
    """The head, or a sentence that says which estimators work without one."""
    if evidence.head is None:
        raise ModelError(
            f"'{name}' reads the masks of a turn-over head, and this run trained a whole network; "
            "choose 'flipped-ridge' or run the network scan."
        )
    return evidence.head


def residuals(proba: Tensor, labels: Tensor) -> Tensor:
    """One-hot minus probabilities: (B, C), (B,) to (B, C)."""
    out = -proba
    out[torch.arange(len(labels), device=proba.device), labels] += 1.0
    return out


# The flipped side is more certain of itself than the retrained models whose mistakes influence is
# about. Its own out-of-sample probabilities tell by how much: the temperature under which they
# predict the given labels best. Never below one, and on at most so many rows.
TEMPERATURES = torch.logspace(0.0, 0.602, 25).tolist()  # 1 to 4
_CALIBRATION_ROWS = 20_000


def calibrated_temperature(flipped: Tensor, labels: Tensor) -> float:
    """The temperature of least cross-entropy on out-of-sample probabilities (N, C), labels (N,)."""
    step = max(1, len(labels) // _CALIBRATION_ROWS)
    logits, own = flipped[::step].float().clamp_min(1e-6).log(), labels[::step]
    losses = torch.stack([cross_entropy(logits / t, own) for t in TEMPERATURES])
    return float(TEMPERATURES[int(losses.argmin())])


def softened(evidence: Evidence) -> Tensor:
    """Flipped-side probabilities (N, C) at their calibrated temperature."""
    proba = evidence.flipped if evidence.leaning is None else evidence.leaning
    temperature = calibrated_temperature(proba, evidence.labels)
    return (proba.clamp_min(1e-6).log() / temperature).softmax(-1)


def flipped_residuals(evidence: Evidence) -> Tensor:
    """Out-of-sample residuals (N, C): one-hot minus the softened flipped-side probabilities."""
    return residuals(softened(evidence), evidence.labels)
