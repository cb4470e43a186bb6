"""The smallest flipping set, chosen adaptively: take a few rows, ask again without them, take more.

A ranking says what each row does while all others are there. Where rows stand in for each other
(copies, near copies) the first few of it are enough to know, but once they are gone others count
for more; so the strengths are computed again after each part. The outcome is never larger than
that of the static prefix, which is searched first and kept where it is as small. Called by
`workflow.explain.proof.fewest`.
"""

import math
import threading
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from influence_core.evaluation.proof import VOTES, Flip, Positions, Proving, smallest_flip
from influence_core.progress import Progress, ProgressFn, check_cancel

Strengths = Callable[[Positions], npt.NDArray[np.floating]]
PARTS = 5  # in which the rows are taken


def adaptive_order(
    first: Positions,
    strengths: Strengths,
    size: int,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Positions:
    """Up to `size` positions, each part of them the strongest when those before are gone.

    Args:
        first: the static ranking, of which the first part is taken.
        strengths: of all rows, (N,), once these positions are gone; what is not above 0 is never
            taken.
    """
    part = math.ceil(size / PARTS)
    taken = first[: min(part, size)]
    while len(taken) < size:
        check_cancel(cancel)
        if progress:
            progress(Progress("again", len(taken), size))
        found = np.array(strengths(taken), np.float64)
        found[taken] = 0.0
        order = np.argsort(-found, kind="stable")[: min(part, size - len(taken))]
        more = order[found[order] > 0]
        if not len(more):
            break
        taken = np.concatenate([taken, more])
    return taken


def fewest_rows(
    job: Proving,
    ranking: Positions,
    strengths: Strengths,
    static: Flip,
    *,
    votes: int = VOTES,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Flip:
    """What the adaptive choice finds below the size of the static prefix, else `static`.

    Args:
        job, ranking, votes: what `static` was searched with.
        strengths: as in `adaptive_order`.
    """
    size = len(ranking) if static.smallest is None else static.smallest - 1
    if size < 1:
        return static
    order = adaptive_order(ranking, strengths, size, progress=progress, cancel=cancel)
    found = smallest_flip(job, order, search_retrainings=votes, progress=progress, cancel=cancel)
    return static if found.smallest is None else found
