"""Where one machine ends: the scan and the judge as Ray tasks over shards of the training rows.

Every worker opens the run itself from the project's folder, which all machines see, so that no
features travel: a task gets the targets (kilobytes) and gives back its k strongest rows. A worker
that dies has its shards done again by another. Scores of the turn-over estimator are those of one
machine to the bit; those of matrix products within float32 rounding.

Ray is optional (`pip install turnover[ray]`). Called by `turnover explain --ray`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from influence_core.errors import ModelError, ResourceError
from influence_core.influence.scan import Ranking, mean_influence, scan
from influence_core.influence.shards import ShardQuery, joined, moved, shards
from influence_core.progress import check_cancel
from influence_core.store.project import Project
from influence_core.workflow.session import Session, open_session

SHARD = 1 << 17  # rows of one task
RETRIES = 3  # of a shard whose worker died
_POLL = 0.5  # seconds between looks at the cancel flag


@dataclass(frozen=True)
class Task:
    """What every shard of a scan has in common."""

    root: str
    run: str
    estimator: str
    features: npt.NDArray[np.float32]  # (T, d)
    labels: npt.NDArray[np.int64]  # (T,)

    @classmethod
    def of(
        cls, session: Session, estimator: str, features: torch.Tensor, labels: torch.Tensor
    ) -> "Task":
        """A question to the session's run, for targets (T, d) and the labels asked about (T,)."""
        return cls(
            str(session.project.root.resolve()),
            session.run.id,
            estimator,
            features.cpu().numpy(),
            labels.cpu().numpy(),
        )


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Ray, connected to a cluster: `auto` starts one on this machine, anything else is joined.

    Raises:
        ModelError: Ray is not installed. ResourceError: nothing answers at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise ModelError("--ray needs Ray; install it with: pip install 'turnover[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    try:
        ray.init(
            address=None if address == "auto" else address,
            include_dashboard=None if address != "auto" else False,
            log_to_driver=False,
            logging_level="ERROR",
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ResourceError(
            f"No Ray cluster answers at {address} ({error}); start one with: ray start --head"
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def scan_on_cluster(  # noqa: PLR0913 - what scan() has, and the cluster
    ray: Any,
    task: Task,
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
        cancel: set it to stop; shards that run are ended and `CancelledError` is raised.
    """
    started = time.perf_counter()
    parts: list[Ranking] = []
    allowed = _positions(rows, candidates, exclude)
    total = rows if allowed is None else len(allowed)
    jobs = {}
    # A CPU each: torch and the compiled loops use one thread in a worker.
    work = ray.remote(num_cpus=1, max_retries=RETRIES)(_ranked)
    shared = ray.put(task)
    for part in shards(rows, shard):
        inside = None
        if allowed is not None:
            inside = allowed[(allowed >= part.start) & (allowed < part.stop)]
        jobs[work.remote(shared, part.start, part.stop, k, inside)] = part
    for one in _as_they_come(ray, list(jobs), cancel):
        parts.append(one)
        if on_partial is not None and len(parts) < len(jobs):
            on_partial(joined(parts, k, total, 1000 * (time.perf_counter() - started)))
    return joined(parts, k, total, 1000 * (time.perf_counter() - started))


def _positions(
    rows: int, candidates: torch.Tensor | None, exclude: Sequence[int]
) -> npt.NDArray[np.int64] | None:
    if candidates is None and not exclude:
        return None
    every = np.arange(rows) if candidates is None else candidates.cpu().numpy()
    return np.setdiff1d(every, np.asarray(exclude, dtype=np.int64))


def judge_on_cluster(
    ray: Any,
    task: Task,
    rows: int,
    *,
    shard: int = SHARD,
    cancel: threading.Event | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """`influence.scan.mean_influence` over a cluster: mean over targets and error, (N,) each."""
    mean, error = np.empty(rows, dtype=np.float32), np.empty(rows, dtype=np.float32)
    work = ray.remote(num_cpus=1, max_retries=RETRIES)(_judged)
    shared = ray.put(task)
    jobs = [work.remote(shared, part.start, part.stop) for part in shards(rows, shard)]
    for start, own_mean, own_error in _as_they_come(ray, jobs, cancel):
        mean[start : start + len(own_mean)] = own_mean
        error[start : start + len(own_mean)] = own_error
    return mean, error


def _as_they_come(ray: Any, jobs: list[Any], cancel: threading.Event | None) -> Iterator[Any]:
    """Results in the order in which tasks end."""
    try:
        while jobs:
            check_cancel(cancel)
            done, jobs = ray.wait(jobs, timeout=_POLL)
            for job in done:
                yield ray.get(job)
    except ray.exceptions.WorkerCrashedError as error:
        raise ResourceError(
            f"A shard's worker died {RETRIES + 1} times; look for memory on the cluster's machines."
        ) from error
    finally:
        for job in jobs:
            ray.cancel(job, force=True)


@lru_cache(maxsize=2)
def _opened(root: str, run: str) -> Session:
    """The run in this worker, kept for its next shards."""
    return open_session(Project.open(Path(root)), run, "cpu")


def _query(task: Task, start: int) -> ShardQuery:
    session = _opened(task.root, task.run)
    # Copies, because what Ray hands out is read-only.
    features, labels = torch.tensor(task.features), torch.tensor(task.labels)
    query = session.prepared(task.estimator).query(session.targets(features, labels))
    return ShardQuery(query, start)


def _ranked(
    task: Task, start: int, stop: int, k: int, inside: npt.NDArray[np.int64] | None
) -> Ranking:
    """In a worker: the k strongest rows of a shard, with positions in the whole."""
    among = None if inside is None else torch.tensor(inside - start)
    return moved(scan(_query(task, start), stop - start, k=k, candidates=among), start)


def _judged(
    task: Task, start: int, stop: int
) -> tuple[int, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """In a worker: mean influence of a shard's rows."""
    return start, *mean_influence(_query(task, start), stop - start)
