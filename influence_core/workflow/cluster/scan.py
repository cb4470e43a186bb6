"""The scan, and the mean over a target split, as Ray tasks over shards of the training rows.

Scores of the turn-over estimator are those of one machine to the bit; those of matrix products
within float32 rounding. Called by `explain` and by cleansing.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from influence_core.cleansing.harm import Measure
from influence_core.errors import ModelError
from influence_core.influence.base import Targets
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import Ranking, mean_influence, pooled, scan
from influence_core.progress import Progress, ProgressFn
from influence_core.store.project import Project
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.cluster.shards import ShardQuery, joined, moved, shards
from influence_core.workflow.session import Session, open_session

SHARD = 1 << 17  # rows of one task


@dataclass(frozen=True)
class ScanTask:
    """What every shard of a scan has in common."""

    root: str
    run: str
    estimator: str
    device: str
    features: npt.NDArray[np.float32]  # (T, d)
    labels: npt.NDArray[np.int64]  # (T,)
    proba: npt.NDArray[np.float32]  # (T, C)

    @classmethod
    def of(
        cls,
        cluster: Cluster,
        session: Session,
        estimator: str,
        targets: Targets,
    ) -> "ScanTask":
        """A scan of the session's run for targets.

        Raises:
            ModelError: the general scan of a whole network, or an estimator that goes through the
                training; both run on one machine.
        """
        if session.takes_a_pass(estimator):
            raise ModelError(
                f"'{estimator}' goes through the training on one machine; leave --ray out, or "
                "choose --estimator flipped-ridge."
            )
        if estimator == TURNOVER.name and session.run.record.kind == "network":
            raise ModelError(
                "The turn-over scan of a whole network runs on one machine; leave --ray out, or "
                "choose --estimator flipped-ridge."
            )
        return cls(
            str(session.project.root.resolve()),
            session.run.id,
            estimator,
            cluster.device,
            targets.features.cpu().numpy(),
            targets.labels.cpu().numpy(),
            targets.proba.cpu().numpy(),
        )


def scan_on_cluster(  # noqa: PLR0913 - what scan() has, and the cluster
    cluster: Cluster,
    task: ScanTask,
    rows: int,
    *,
    k: int,
    candidates: torch.Tensor | None = None,
    exclude: Sequence[int] = (),
    shard: int = SHARD,
    on_partial: Callable[[Ranking], None] | None = None,
    cancel: threading.Event | None = None,
) -> Ranking:
    """`influence.scan.scan` over a cluster: the same lists, from shards that come in any order.

    Args:
        candidates: positions that may be listed; all if None. exclude: those that may not.
        on_partial: called after every shard but the last.
        cancel: set it to stop: `CancelledError` is raised, and no more shards are started.
    """
    started = time.perf_counter()
    allowed = _positions(rows, candidates, exclude)
    total = rows if allowed is None else len(allowed)
    parts = shards(rows, shard)
    # Few enough to hold: k rows a shard, of which only the strongest are kept.
    best: Ranking | None = None

    def arguments(part: slice) -> tuple[int, int, int, npt.NDArray[np.int64] | None]:
        inside = None
        if allowed is not None:
            inside = allowed[(allowed >= part.start) & (allowed < part.stop)]
        return part.start, part.stop, k, inside

    def join(found: list[Ranking]) -> Ranking:
        return joined(found, k, total, 1000 * (time.perf_counter() - started))

    found = cluster.map(_ranked, task, map(arguments, parts), cancel=cancel)
    for count, (_, one) in enumerate(found, start=1):
        best = join([one] if best is None else [best, one])
        if on_partial is not None and count < len(parts):
            on_partial(best)
    return join([] if best is None else [best])


def _positions(
    rows: int, candidates: torch.Tensor | None, exclude: Sequence[int]
) -> npt.NDArray[np.int64] | None:
    if candidates is None and not exclude:
        return None
    every = np.arange(rows) if candidates is None else candidates.cpu().numpy()
    return np.setdiff1d(every, np.asarray(exclude, dtype=np.int64))


def mean_on_cluster(
    cluster: Cluster,
    task: ScanTask,
    rows: int,
    *,
    shard: int = SHARD,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """`influence.scan.mean_influence` over a cluster: mean over targets and error, (N,) each."""
    mean, error = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=np.float32)
    each = [(part.start, part.stop) for part in shards(rows, shard)]
    done = 0
    for number, (own_mean, own_error) in cluster.map(_mean, task, each, cancel=cancel):
        part = slice(*each[number])
        mean[part], error[part] = own_mean, own_error
        done += len(own_mean)
        if progress:
            progress(Progress("scan", done, rows))
    return mean, error


def cluster_measure(
    cluster: Cluster,
    session: Session,
    estimator: str,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Measure:
    """The scan of a cluster, for `cleansing.harm`."""

    rows = len(session.evidence)

    def measure(targets: Targets) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        task = ScanTask.of(cluster, session, estimator, targets)
        return mean_on_cluster(cluster, task, rows, progress=progress, cancel=cancel)

    return lambda targets: pooled(measure, targets, rows)


@lru_cache(maxsize=2)
def _opened(root: str, run: str, device: str) -> Session:
    """The run in this worker, kept for its next shards."""
    return open_session(Project.open(Path(root)), run, device)


def _query(task: ScanTask, start: int) -> ShardQuery:
    session = _opened(task.root, task.run, task.device)
    # Copies, because what Ray gives is read-only.
    parts = (task.features, task.labels, task.proba)
    targets = Targets(*(torch.tensor(part).to(session.device) for part in parts))
    return ShardQuery(session.prepared(task.estimator).query(targets), start)


def _ranked(
    task: ScanTask, start: int, stop: int, k: int, inside: npt.NDArray[np.int64] | None
) -> Ranking:
    """In a worker: the k strongest rows of a shard, with positions in the whole."""
    among = None if inside is None else torch.tensor(inside - start)
    return moved(scan(_query(task, start), stop - start, k=k, candidates=among), start)


def _mean(
    task: ScanTask, start: int, stop: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """In a worker: mean influence of a shard's rows."""
    return mean_influence(_query(task, start), stop - start)
