"""What harms a whole split: the mean influence of every training row on the items of a target
split.

It is a split or a part of one: a class, the misclassified items, any list of positions. Memory does
not grow with targets × rows (`influence.scan.mean_over`). Called by `workflow.cleanse`.
"""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.errors import DataError
from influence_core.influence.base import MeanScores, Prepared, Targets
from influence_core.influence.scan import mean_over
from influence_core.progress import ProgressFn

Measure = Callable[[Targets], MeanScores]


@dataclass(frozen=True)
class Harm:
    """Mean influence on the target split, (N,), negative harms; and its standard error.

    `freedom` is how many degrees of freedom the error has.
    """

    score: npt.NDArray[np.float32]
    stderr: npt.NDArray[np.float32]
    freedom: float = math.inf

    def p_values(self) -> npt.NDArray[np.float64] | None:
        """(N,) one-sided, that the mean over items of this kind is not below zero.

        Student's t of score / standard error; 1 where there is no error, None if no row has one.
        """
        from scipy import stats

        if not np.isfinite(self.stderr).any():
            return None
        t = self.score / np.maximum(self.stderr, 1e-12)
        return np.where(np.isfinite(self.stderr), stats.t.cdf(t, self.freedom), 1.0)


def local_measure(
    prepared: Prepared,
    rows: int,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Measure:
    """The scan of this process, over so many training rows, for `harm`."""
    return lambda targets: mean_over(prepared, targets, rows, progress=progress, cancel=cancel)


def harm(measure: Measure, targets: Targets) -> Harm:
    """Mean influence of each training row on the items of the target split.

    The standard error is that over items: how far the mean would move with other items of the
    same kind. It says nothing about the noise of the estimator itself.

    Args:
        measure: who scans, such as `local_measure`.
        targets: its items.

    Raises:
        DataError: the target split has no item.
    """
    if not len(targets):
        raise DataError(
            "The target split has no labelled item; choose another split or a wider part of it."
        )
    found = measure(targets)
    return Harm(found.mean, found.stderr, found.freedom)
