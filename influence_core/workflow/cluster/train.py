"""A head's members trained in parallel: every worker of a Ray cluster holds a share of them.

Members never look at each other, so nothing but the start of an epoch is in step: the driver
shuffles the rows, each worker makes the epoch's steps for its share and gives back weights and
Adam's moments (megabytes), and the driver looks at all members together to decide whether to go
on. A task keeps nothing, so one whose worker died is simply done again, and a driver that died goes
on from the file it left, with as many workers as there are then. The members are those of one
machine within float32 rounding. Called by `train`.
"""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import Sides, both_sides
from influence_core.models.device import pick_device
from influence_core.progress import Progress, ProgressFn
from influence_core.store.project import Project
from influence_core.training.features import Standardised, Subset
from influence_core.training.heads.adam import OptimiserState
from influence_core.training.heads.loop import HeadLoop, LoopState, epoch_stats
from influence_core.training.heads.steps import margin
from influence_core.training.heads.types import EpochStats, HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, initial_weights
from influence_core.turnover.masks import as_keys
from influence_core.workflow.cluster.cluster import Cluster, opened_project, state_of

SHARD = 1 << 16  # rows whose sides one task takes


@dataclass(frozen=True)
class TrainTask:
    """What all tasks of a training have in common."""

    root: str
    state: str
    config: HeadConfig
    training: HeadTraining
    device: str
    mean: Tensor  # (d,) of the standardisation, which the driver has measured
    scale: Tensor


@dataclass(frozen=True)
class Share:
    """Some members after an epoch, on the CPU."""

    members: range
    params: tuple[Tensor, ...]
    optimiser: OptimiserState | None


@dataclass(frozen=True)
class Trained:
    """What a worker gives back: its share, logits (N, C) and both sides of the probed rows."""

    share: Share
    seen: npt.NDArray[np.float32]
    learned: npt.NDArray[np.float32]  # (E, M, C)
    flipped: npt.NDArray[np.float32]


@dataclass(frozen=True)
class _OpenedRows:
    """The training rows as a worker has opened them."""

    features: Standardised
    labels: Tensor
    keys: Tensor


class ClusterLoop:
    """A `Loop` whose epochs are made by the workers of a cluster."""

    def __init__(self, cluster: Cluster, work: TrainTask, labels: Tensor) -> None:
        """Begin at the start; `labels` (N,) are those of the project's training split."""
        self.cluster, self.work, self.labels = cluster, work, labels.cpu()
        self.shares = [
            Share(members, _cut(initial, members), None)
            for initial in [initial_weights(work.config)]
            for members in in_shares(work.config.members, cluster.workers)
        ]
        self.order = torch.Generator().manual_seed(work.training.seed)
        self.margins = torch.zeros(len(labels))
        self.trained: list[Trained] = []
        self.passes = 0

    @property
    def params(self) -> tuple[Tensor, ...]:
        """All members' parameters, on the CPU."""
        return _joined(share.params for share in self.shares)

    def epoch(self, cancel: threading.Event | None) -> None:
        """Hand the shares out, and join what comes back."""
        order = self.cluster.ray.put(torch.randperm(len(self.labels), generator=self.order))
        each = [(share, order) for share in self.shares]
        done = self.cluster.map(_pass_over, self.work, each, ordered=True, cancel=cancel)
        self.trained = [result for _, result in done]
        self.shares = [one.share for one in self.trained]
        seen = torch.from_numpy(np.sum([one.seen for one in self.trained], axis=0))
        self.margins += margin(seen / self.work.config.members, self.labels)
        self.passes += 1

    def probe(self, epoch: int) -> EpochStats:
        """Both sides' losses, as the workers saw the probed rows after their last step."""
        sides = [(torch.tensor(one.learned), torch.tensor(one.flipped)) for one in self.trained]
        learned, flipped = (torch.cat(side) for side in zip(*sides, strict=True))
        return epoch_stats(epoch, self.labels, learned, flipped)

    def aum(self) -> npt.NDArray[np.float32]:
        """Mean over epochs of the in-sample margin, (N,)."""
        return (self.margins / max(self.passes, 1)).numpy()

    def state(self) -> LoopState:
        """See `Loop`: what the shares hold, joined."""
        optimisers = [share.optimiser for share in self.shares if share.optimiser]
        return LoopState(
            self.params,
            OptimiserState(
                optimisers[0].steps,  # every share has made the same
                _joined(one.first for one in optimisers),
                _joined(one.second for one in optimisers),
            ),
            self.order.get_state(),
            self.margins,
            self.passes,
        )

    def restore(self, state: LoopState) -> None:
        """See `Loop`: cut into the shares of the workers that are there now."""
        adam = state.optimiser
        self.shares = [
            Share(
                m,
                _cut(state.params, m),
                OptimiserState(adam.steps, _cut(adam.first, m), _cut(adam.second, m)),
            )
            for m in (share.members for share in self.shares)
        ]
        self.order.set_state(state.order)
        self.margins.copy_(state.margins)
        self.passes = state.passes


def _joined(shares: Iterable[Sequence[Tensor]]) -> tuple[Tensor, ...]:
    """Each tensor of all members, from those of the shares."""
    return tuple(torch.cat(parts) for parts in zip(*shares, strict=True))


def _cut(tensors: Sequence[Tensor], members: range) -> tuple[Tensor, ...]:
    """Some members' part; a copy, because with a view Ray would send what all members hold."""
    return tuple(t[members.start : members.stop].clone() for t in tensors)


def in_shares(members: int, workers: int) -> list[range]:
    """The members in about equal shares, one a worker; no share is empty."""
    ends = np.linspace(0, members, min(members, max(workers, 1)) + 1).round().astype(int)
    return [range(int(a), int(b)) for a, b in pairwise(ends)]


def sides_on_cluster(
    cluster: Cluster,
    work: TrainTask,
    head: HeadWeights,
    rows: int,
    *,
    shard: int = SHARD,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Sides:
    """`influence.sides.both_sides` of all training rows, shard by shard."""
    weights = HeadWeights(head.W1.cpu(), head.b1.cpu(), head.W2.cpu(), head.config)
    each = [(start, min(start + shard, rows)) for start in range(0, rows, shard)]
    found: list[Sides] = []
    for number, sides in cluster.map(_sides, (work, weights), each, ordered=True, cancel=cancel):
        found.append(sides)
        if progress:
            progress(Progress("sides", each[number][1], rows))
    return Sides(
        *(
            np.concatenate([getattr(one, name) for one in found])
            for name in ("flipped", "learned", "self_influence", "stderr")
        )
    )


def train_task(
    cluster: Cluster,
    project: Project,
    features: Standardised,
    config: HeadConfig,
    training: HeadTraining,
) -> TrainTask:
    """What the tasks need to know to train on the project's own training rows."""
    return TrainTask(
        str(project.root.resolve()), state_of(project), config, training, cluster.device,
        features.mean.cpu(), features.scale.cpu(),
    )  # fmt: skip


def _own_rows(work: TrainTask) -> _OpenedRows:
    """In a worker: the training rows, kept for the next tasks."""
    mean, scale = (t.numpy().tobytes() for t in (work.mean, work.scale))
    return _opened(work.root, work.state, work.device, mean, scale)


@lru_cache(maxsize=1)
def _opened(root: str, state: str, device: str, mean: bytes, scale: bytes) -> _OpenedRows:
    project = opened_project(root, state)
    split = project.dataset.train
    first, second = (
        torch.from_numpy(np.frombuffer(part, np.float32).copy()) for part in (mean, scale)
    )
    raw = project.features("train")
    features = Standardised.using(raw, first, second, pick_device(device))
    return _OpenedRows(features, torch.from_numpy(np.array(split.labels)), as_keys(split.keys))


@torch.no_grad()
def _pass_over(work: TrainTask, share: Share, order: Tensor) -> Trained:
    """In a worker: one epoch of a share, then a look at the probed rows."""
    own = _own_rows(work)
    rows = Rows(own.features, own.labels, own.keys)
    loop = HeadLoop(rows, work.config, work.training, share.members)
    loop.go_on_from(share.params, share.optimiser)
    loop.pass_over(torch.tensor(order))  # a copy, because what Ray gives is read-only
    state = loop.optimiser.state()
    learned, flipped = loop.look()
    return Trained(
        Share(
            share.members,
            tuple(param.cpu() for param in loop.params),
            OptimiserState(
                state.steps,
                tuple(t.cpu() for t in state.first),
                tuple(t.cpu() for t in state.second),
            ),
        ),
        loop.seen.cpu().numpy(),
        learned.cpu().numpy(),
        flipped.cpu().numpy(),
    )


def _sides(common: tuple[TrainTask, HeadWeights], start: int, stop: int) -> Sides:
    """In a worker: both sides of some rows."""
    work, given = common
    own = _own_rows(work)
    device = own.features.mean.device
    W1, b1, W2 = (torch.clone(t).to(device) for t in (given.W1, given.b1, given.W2))
    head = HeadWeights(W1, b1, W2, given.config)
    part = Subset(own.features, torch.arange(start, stop))
    return both_sides(part, own.labels[start:stop], own.keys[start:stop], head)
