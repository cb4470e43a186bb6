"""Leave-one-out: the definition of influence, for the few rows at the top of a list.

The head is retrained without one row at a time, from the same start, masks and batch order; the
rise of the target's loss is that row's measured influence (positive: it helped). One row among
thousands moves a head very little, so the spread over members stands beside the mean.
"""

import threading
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from influence_core.disk.checkpoint import Parts
from influence_core.errors import DataError
from influence_core.evaluation.retrain import Recipe, retrain, without
from influence_core.influence.base import Targets
from influence_core.progress import ProgressFn

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LeaveOneOut:
    """Measured influence of k rows on T targets in nats, and its standard error; (T, k) each."""

    positions: npt.NDArray[np.int64]
    influence: F32
    stderr: F32  # over members; NaN for a single one


def leave_one_out(
    recipe: Recipe,
    targets: Targets,
    positions: npt.NDArray[np.int64],
    *,
    parts: Parts | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> LeaveOneOut:
    """Retrain without each row of `positions`, (k,).

    Args:
        parts: where finished retrainings are kept, see `retrain`.

    Raises:
        DataError: no position is given.
    """
    if not len(positions):
        raise DataError("No row is listed; choose at least one row to leave out.")
    removed = [np.array([], dtype=np.int64), *(np.array([p]) for p in positions)]
    rows, config = recipe.rows, recipe.config
    grouped = replace(rows, weights=without(len(rows.labels), removed))
    seen = retrain(
        grouped,
        config,
        recipe.training,
        targets.features,
        parts=parts,
        progress=progress,
        cancel=cancel,
    )
    labels = targets.labels.cpu().numpy()
    losses = -seen[:, :, np.arange(len(labels)), labels]  # (1 + k, E, T)
    rise = losses[1:] - losses[:1]
    stderr = np.full(rise[:, 0].shape, np.nan, dtype=np.float32)
    if config.members > 1:
        stderr = rise.std(axis=1, ddof=1) / np.sqrt(config.members)
    return LeaveOneOut(np.asarray(positions), rise.mean(axis=1).T, stderr.T)
