"""About how many rows from the top of a ranking it takes to change a prediction.

A few small retrainings without the first 4, 16, 64, … rows, all in one go; between the last size
that keeps the prediction and the first that changes it, the lead of the predicted class is taken to
fall evenly with the logarithm of the size. An estimate to begin with: `proof` is what counts.
Called by `workflow.explain.proof.verify`.
"""

import threading

import numpy as np
import numpy.typing as npt

from influence_core.evaluation.proof import Proving
from influence_core.progress import Progress, ProgressFn, check_cancel

RETRAININGS = 3
_COST = 6  # of the members that a proof with as many arms would have


def estimated_flip(
    job: Proving,
    ranking: npt.NDArray[np.int64],
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> int | None:
    """The size, at least 1; None where even the whole ranking keeps the prediction.

    Args:
        job: what is retrained, and the item that is watched.
        ranking: positions, strongest first.
    """
    sizes = sizes_of(len(ranking))
    members = max(1, job.members(RETRAININGS * (len(sizes) + 1)) // _COST)
    removed = [ranking[:size] for size in (0, *sizes)]
    seen = []
    for number in range(RETRAININGS):
        check_cancel(cancel)
        seen.append(job.proba(number, members, removed, cancel=cancel))
        if progress:
            progress(Progress("estimate", number + 1, RETRAININGS))
    return crossing(sizes, leads(np.stack(seen)))


def sizes_of(most: int) -> list[int]:
    """4, 16, 64, … and the whole ranking."""
    grown = [4**power for power in range(1, 12) if 4**power < most]
    return [*grown, most]


def leads(proba: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """By how much the usual class leads, in log-odds against the next, mean over retrainings.

    Args:
        proba: (S, sizes + 1, C); the first arm lacks nothing.

    Returns:
        (sizes + 1,), below 0 where another class is predicted.
    """
    usual = int(proba[:, 0].mean(0).argmax())
    logs = np.log(np.clip(proba.astype(np.float64), 1e-12, 1.0))
    return np.asarray((logs[..., usual] - np.delete(logs, usual, axis=-1).max(-1)).mean(0))


def crossing(sizes: list[int], lead: npt.NDArray[np.float64]) -> int | None:
    """Where the lead (sizes + 1,) crosses 0, between two sizes evenly in their logarithm."""
    for place, size in enumerate(sizes):
        before, after = lead[place], lead[place + 1]
        if after >= 0:
            continue
        low = sizes[place - 1] if place else 1
        share = max(before, 0.0) / (max(before, 0.0) - after)
        return int(np.clip(np.ceil(low * (size / low) ** share), 1, size))
    return None
