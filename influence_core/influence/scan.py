"""Run an estimator over all training rows in chunks, keeping only the strongest both ways.

Whatever the estimator and however many rows there are, memory holds one chunk of scores and two
short lists per target. After every chunk a caller may look at the ranking so far, or stop.
Called by `workflow.explain`, by cleansing (`mean_influence`) and by `live`.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.disk.arrays import new_array
from influence_core.disk.atomic import atomic_file
from influence_core.influence.base import (
    JointPrepared,
    LongQuery,
    MeanScores,
    Prepared,
    Query,
    Scores,
    Targets,
)
from influence_core.influence.topk import Kept, strongest
from influence_core.models.device import drop_cache, pinned, sent, smaller, to_host
from influence_core.progress import Progress, ProgressFn, check_cancel

CHUNK = 16_384
# The first chunk is short, so that a first ranking is on the screen at once.
FIRST_CHUNK = 2_048
# Scores of one chunk over all targets: 8 MB of float32, however many targets there are.
_CHUNK_SCORES = 1 << 21
# Of many targets' mean, which needs no sorting: their tables are made again for every chunk.
MEAN_SCORES = 1 << 23
# Targets of a mean whose (T, n) scores are held at a time.
TARGETS_AT_A_TIME = 2_000


@dataclass(frozen=True)
class Top:
    """The strongest rows of one side for one target, strongest first: (k,) each."""

    positions: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    stderr: npt.NDArray[np.float32]  # NaN where the estimator has none


@dataclass(frozen=True)
class Ranking:
    """Helpful and harmful rows per target, after `scored` of `total` rows."""

    helpful: tuple[Top, ...]
    harmful: tuple[Top, ...]
    scored: int
    total: int
    milliseconds: float

    @property
    def provisional(self) -> bool:
        """Whether rows are still to be scored."""
        return self.scored < self.total

    @property
    def extent(self) -> str:
        """How much has been seen, for people: "12,000 of 50,000, provisional"."""
        seen = f"{self.scored:,} of {self.total:,}"
        return f"{seen}, provisional" if self.provisional else seen


@dataclass(frozen=True)
class KnownScores:
    """Scores (T, N) that are there already, as a query."""

    table: Tensor

    def scores(self, rows: slice) -> Scores:
        """Those of rows[start:stop]."""
        return Scores(self.table[:, rows])


def scan(  # noqa: PLR0913 - switches of one loop
    query: Query,
    rows: int,
    *,
    k: int,
    candidates: Tensor | None = None,
    exclude: Sequence[int] = (),
    chunk: int | None = None,
    keep: npt.NDArray[np.float32] | None = None,
    on_partial: Callable[[Ranking], None] | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Ranking:
    """Rank all rows, or the candidates among them, for every target of the query.

    Only truly positive scores are helpful and truly negative ones harmful; equal scores are
    ordered by position, so a ranking is the same each time.

    Args:
        query: an estimator's answer to `query(targets)`.
        rows: N.
        k: how many of each side.
        candidates: positions that may be listed, or (N,) booleans; all if None.
        exclude: positions that may not, such as the target itself.
        chunk: rows scored at a time; chosen by the number of targets if None.
        keep: (T, N), where the scores of all rows are put, ranked or not.
        on_partial: called with the ranking so far after every chunk but the last.
        progress: told of a pass through the training, where the query needs one first.
        cancel: set it to stop; `CancelledError` is raised.
    """
    started = time.perf_counter()
    allowed = _allowed(rows, candidates, exclude)
    total = rows if allowed is None else int(allowed.sum())
    helpful: Kept | None = None
    harmful: Kept | None = None
    scored = 0

    def now() -> Ranking:
        passed = 1000 * (time.perf_counter() - started)
        return Ranking(_tops(helpful), _tops(harmful), scored, total, passed)

    for part, out in _chunks(query, rows, chunk, cancel, progress=progress):
        if keep is not None:
            (keep[:, part],) = to_host(out.scores)
        scores, stderr, positions = _select(out, part, allowed)
        helpful = strongest(scores, stderr, positions, k=k, sign=1.0, kept=helpful)
        harmful = strongest(scores, stderr, positions, k=k, sign=-1.0, kept=harmful)
        scored += scores.shape[1] if allowed is None else int(allowed[part].sum())
        if on_partial is not None and part.stop < rows:
            on_partial(now())
    return now()


def mean_influence(
    query: Query,
    rows: int,
    *,
    chunk: int | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Influence of every row on all targets together: mean over targets and its standard error.

    Memory is one chunk of (T, n) scores; the error is that of the mean over targets, (N,), NaN
    for a single target.
    """
    mean = np.empty(rows, dtype=np.float32)
    error = np.empty(rows, dtype=np.float32)
    for part, out in _chunks(query, rows, chunk, cancel, MEAN_SCORES, progress):
        scores = out.scores
        spread = scores.std(0) if len(scores) > 1 else torch.full_like(scores[0], float("nan"))
        mean[part], error[part] = to_host(scores.mean(0), spread / len(scores) ** 0.5)
        if progress:
            progress(Progress("scan", part.stop, rows))
    return mean, error


def mean_over(
    prepared: Prepared,
    targets: Targets,
    rows: int,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> MeanScores:
    """Influence of every row on all targets together, however many there are."""
    if isinstance(prepared, JointPrepared):
        return prepared.mean(targets, progress, cancel)

    def measure(part: Targets) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return mean_influence(prepared.query(part), rows, progress=progress, cancel=cancel)

    return pooled(measure, targets, rows)


def pooled(
    measure: Callable[[Targets], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]],
    targets: Targets,
    rows: int,
) -> MeanScores:
    """The mean over parts of the targets, each of which `measure` gives with its error."""
    total = len(targets)
    sums, squares = np.zeros(rows), np.zeros(rows)
    for start in range(0, total, TARGETS_AT_A_TIME):
        part = targets[start : start + TARGETS_AT_A_TIME]
        n = len(part)
        mean, error = measure(part)
        spread = np.nan_to_num(error.astype(np.float64)) ** 2 * n  # variance over the items
        sums += n * mean.astype(np.float64)
        squares += max(n - 1, 0) * spread + n * mean.astype(np.float64) ** 2
    mean_all = sums / total
    variance = np.maximum(squares - total * mean_all**2, 0.0) / max(total - 1, 1)
    stderr = np.sqrt(variance / total) if total > 1 else np.full(rows, np.nan)
    return MeanScores(mean_all.astype(np.float32), stderr.astype(np.float32))


def full_scores(
    query: Query,
    rows: int,
    path: Path,
    *,
    chunk: int | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> npt.NDArray[np.float32]:
    """Write all scores (T, N) to a .npy file, chunk by chunk, and map it read-only.

    The file has its name only when it is whole.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    with atomic_file(path) as temporary:
        file: np.memmap[Any, Any] | None = None
        for part, out in _chunks(query, rows, chunk, cancel, progress=progress):
            if file is None:
                file = new_array(temporary, np.float32, (len(out.scores), rows))
            (file[:, part],) = to_host(out.scores)
            if progress:
                progress(Progress("scan", part.stop, rows))
        if file is not None:
            file.flush()
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _chunks(
    query: Query,
    rows: int,
    chunk: int | None,
    cancel: threading.Event | None,
    most: int = _CHUNK_SCORES,
    progress: ProgressFn | None = None,
) -> Iterator[tuple[slice, Scores]]:
    """Score consecutive slices; the number of targets decides how long they are.

    `progress` is told of a pass that comes before the first of them.
    """
    if isinstance(query, LongQuery):
        query.run(progress, cancel)
    start, step, limit = 0, chunk or FIRST_CHUNK, rows
    while start < rows:
        check_cancel(cancel)
        part = slice(start, min(start + step, start + limit, rows))
        try:
            out = query.scores(part)
        except (MemoryError, RuntimeError) as error:
            limit = smaller(part.stop - start, error, "the number of items")
        else:
            yield part, out
            start = part.stop
            step = chunk or rows_at_a_time(len(out.scores), most)
            continue
        drop_cache()


def rows_at_a_time(targets: int, most: int = _CHUNK_SCORES) -> int:
    """Rows of one chunk when so many targets are scored together, at `most` scores at a time."""
    return max(256, min(CHUNK, most // max(targets, 1)))


def _allowed(rows: int, candidates: Tensor | None, exclude: Sequence[int]) -> Tensor | None:
    if candidates is None and not exclude:
        return None
    allowed = torch.full((rows,), candidates is None)
    if candidates is not None:
        allowed[candidates.cpu()] = True
    allowed[list(exclude)] = False
    return allowed


def _select(out: Scores, part: slice, allowed: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, errors and positions of a chunk; rows that may not be listed score nothing."""
    scores = out.scores
    stderr = torch.full_like(scores, float("nan")) if out.stderr is None else out.stderr
    if scores.device.type == "mps":  # which cannot sort 64-bit integers
        scores, stderr = scores.cpu(), stderr.cpu()
    positions = torch.arange(part.start, part.stop, device=scores.device)
    if allowed is None:
        return scores, stderr, positions
    here = sent(pinned(allowed[part], scores.device), scores.device)
    return torch.where(here, scores, 0.0), stderr, positions


def _tops(kept: Kept | None) -> tuple[Top, ...]:
    """One list a target; padding is left out."""
    if kept is None:
        return ()
    real, positions, scores, stderr = to_host(kept.real, kept.positions, kept.scores, kept.stderr)
    return tuple(
        Top(positions[t][real[t]], scores[t][real[t]], stderr[t][real[t]]) for t in range(len(real))
    )
