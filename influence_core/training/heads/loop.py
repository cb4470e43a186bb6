"""The state of a head's training: parameters, optimiser, margins; one epoch and one look at a time.

A loop may hold a share of the members only: members never look at each other, so shares that see
the same batches can be trained apart and put together again (`workflow.cluster.train`).
Called by `heads`.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from influence_core.errors import ModelError
from influence_core.models.device import pinned, sent
from influence_core.progress import check_cancel
from influence_core.training.heads.adam import Adam, OptimiserState
from influence_core.training.heads.steps import Forward, both_proba, forward, gradients, margin
from influence_core.training.heads.types import EpochStats, HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, initial_weights, member_masks

PROBE_ROWS = 5_000  # rows on which both sides' losses are measured after each epoch


@dataclass(frozen=True)
class LoopState:
    """All that a `Loop` knows after `passes` whole epochs, of all members."""

    params: tuple[Tensor, ...]
    optimiser: OptimiserState
    order: Tensor  # state of the generator that shuffles
    margins: Tensor  # (N,) sum over epochs
    passes: int


class Loop(Protocol):
    """Who makes the steps of `fit_heads`."""

    @property
    def params(self) -> Sequence[Tensor]:
        """W1 (G·E, d, H), b1 (G·E, H), W2 (G·E, H, C) as they are now."""
        ...

    def epoch(self, cancel: threading.Event | None) -> None:
        """Once over all rows."""
        ...

    def probe(self, epoch: int) -> EpochStats:
        """Both sides' losses on a fixed part of the training rows."""
        ...

    def aum(self) -> np.ndarray | None:
        """Mean over epochs of the in-sample margin, (N,); None for groups."""
        ...

    def state(self) -> LoopState:
        """Where it stands after a whole epoch; its tensors may change with the next step."""
        ...

    def restore(self, state: LoopState) -> None:
        """Stand where a loop of the same rows and settings stood."""
        ...


class HeadLoop:
    """Parameters, optimiser and buffers of one `fit_heads` call."""

    def __init__(
        self,
        rows: Rows,
        config: HeadConfig,
        training: HeadTraining,
        members: range | None = None,
    ) -> None:
        """Begin at the start.

        Args:
            members: the share of the config's members that is held here; by default all.
        """
        self.rows, self.config, self.training = rows, config, training
        self.members = range(config.members) if members is None else members
        self.device = rows.features.rows(torch.zeros(1, dtype=torch.long)).device
        labels = rows.labels[:, 0] if rows.labels.shape[1:] == (1,) else rows.labels
        self.labels = labels.to(self.device)
        self.keys = rows.keys.to(self.device)
        self.batch = training.batch_for(len(rows.features))
        self.order = torch.Generator().manual_seed(training.seed)
        own = slice(self.members.start, self.members.stop)
        self.params = [
            t[own].to(self.device).repeat(rows.groups, *([1] * (t.ndim - 1))).contiguous()
            for t in initial_weights(config)
        ]
        self.optimiser = Adam(self.params, training)
        self.mean_weight: Tensor | None = None
        self.weights: Tensor | None = None
        if rows.weights is not None:
            self.weights = rows.weights.to(self.device, torch.float32)
            # One constant a group, not a sum a batch: leaving row i out must not
            # change how much its batch neighbours count.
            self.mean_weight = self.weights.mean(0).clamp_min(1e-12)
        self.shared = members is not None
        # A share cannot know the margin of all members' mean: it keeps its own members' sum of the
        # full networks' logits (N, C), as they were in the steps of the last epoch.
        self.seen = torch.zeros(
            len(rows.features) if self.shared else 0, config.classes, device=self.device
        )
        self.margin_sum = torch.zeros(len(rows.features), device=self.device)
        self.passes = 0

    def aum(self) -> np.ndarray | None:
        """See `Loop`."""
        if self.rows.groups > 1 or self.shared or not self.passes:
            return None
        return (self.margin_sum / self.passes).cpu().numpy()

    def epoch(self, cancel: threading.Event | None) -> None:
        """See `Loop`.

        Raises:
            ModelError: the weights are no longer finite. CancelledError: between two batches.
        """
        self.pass_over(self.next_order(), cancel)
        self.passes += 1

    def next_order(self) -> Tensor:
        """The rows in the order of the next epoch, (N,)."""
        return torch.randperm(len(self.rows.features), generator=self.order)

    def pass_over(self, order: Tensor, cancel: threading.Event | None = None) -> None:
        """Make the steps of one epoch with the rows in this order (N,)."""
        order = pinned(order, self.device)
        if self.shared:
            self.seen = torch.zeros(len(order), self.config.classes, device=self.device)
        for start in range(0, len(order), self.batch):
            check_cancel(cancel)
            self.step(order[start : start + self.batch])
        if not bool(torch.stack([torch.isfinite(p).all() for p in self.params]).all()):
            raise ModelError(
                "Training diverged: the weights are no longer finite. Lower the learning rate "
                f"(now {self.training.learning_rate:g}) and look for features of extreme size."
            )

    def step(self, index: Tensor) -> Forward:
        """One step of Adam on these rows, (B,); what the batch looked like before it."""
        x = self.rows.features.rows(index)
        index = sent(index, self.device)
        masks = member_masks(self.keys[index], self.config, members=self.members)
        labels = self.labels[index].T if self.labels.ndim == 2 else self.labels[index][None]
        seen = forward(x, masks, self.params)
        grads = gradients(x, labels, self.scale(index), seen, self.params[2], self.config.p)
        if self.shared:
            self.seen[index] = seen.full.sum(0)
        elif self.rows.groups == 1:
            self.margin_sum[index] += margin(seen.full.mean(0), labels[0])
        self.step_along(grads)
        return seen

    def scale(self, index: Tensor) -> Tensor:
        """How much each row of a batch counts in its loss, (G or 1, B)."""
        if self.weights is not None and self.mean_weight is not None:
            return (self.weights[index] / self.mean_weight).T / len(index)
        return torch.full((1, len(index)), 1.0 / len(index), device=self.device)

    def step_along(self, gradients: Sequence[Tensor]) -> None:
        """One step of Adam with these gradients, shaped like the parameters."""
        self.optimiser.step(gradients)

    def last_gradients(self) -> tuple[Tensor, Tensor, Tensor]:
        """Those of the last step; each step makes new ones."""
        if not self.optimiser.gradients:
            raise ModelError("No step has been made yet.")
        W1, b1, W2 = self.optimiser.gradients
        return W1, b1, W2

    def go_on_from(self, params: Sequence[Tensor], state: OptimiserState | None) -> None:
        """Take up the training where another loop of the same members left it."""
        for own, given in zip(self.params, params, strict=True):
            own.copy_(given)
        self.optimiser.go_on_from(state)

    def state(self) -> LoopState:
        """See `Loop`."""
        return LoopState(
            tuple(self.params),
            self.optimiser.state(),
            self.order.get_state(),
            self.margin_sum,
            self.passes,
        )

    def restore(self, state: LoopState) -> None:
        """See `Loop`."""
        self.go_on_from(state.params, state.optimiser)
        self.order.set_state(state.order)
        self.margin_sum.copy_(state.margins)
        self.passes = state.passes

    def probe(self, epoch: int) -> EpochStats:
        """Both sides' losses on a fixed, evenly spaced part of the training rows."""
        return epoch_stats(epoch, self.rows.labels.reshape(len(self.rows.labels)), *self.look())

    def look(self) -> tuple[Tensor, Tensor]:
        """Class probabilities of the probed rows, (E, M, C): learned side, flipped side."""
        index = pinned(probed(len(self.rows.features)), self.device)
        learned, flipped = [], []
        for part in index.split(1024):
            inside, outside = both_proba(
                self.rows.features.rows(part),
                self.keys[sent(part, self.device)],
                self.params,
                self.config,
                self.members,
            )
            learned.append(inside)
            flipped.append(outside)
        return torch.cat(learned, dim=1), torch.cat(flipped, dim=1)


def probed(rows: int) -> Tensor:
    """Positions of the rows that are looked at after each epoch."""
    return torch.linspace(0, rows - 1, min(rows, PROBE_ROWS)).long()


def epoch_stats(epoch: int, labels: Tensor, learned: Tensor, flipped: Tensor) -> EpochStats:
    """Figures of labels (N,) and both sides' probabilities (E, M, C) on the probed rows."""
    labels = labels[probed(len(labels)).to(labels.device)].to(learned.device)
    outside = flipped.mean(0)
    picked = learned.gather(2, labels.expand(len(learned), -1)[..., None])
    own = outside.gather(1, labels[:, None])
    figures = torch.stack(
        [
            -picked.clamp_min(1e-12).log().mean(),
            -own.clamp_min(1e-12).log().mean(),
            1 - own.mean(),
            (outside.argmax(1) == labels).float().mean(),
        ]
    )  # in the order of `EpochStats`
    return EpochStats(epoch, *figures.tolist())
