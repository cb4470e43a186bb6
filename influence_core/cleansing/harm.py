"""What harms a whole split: the mean influence of every training row on the items of a target
split.

It is a split or a part of one: a class, the misclassified items, any list of positions. Rows are
scored in chunks (`influence.scan.mean_influence`), so memory does not grow with
targets × rows. Called by `workflow.cleanse`.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from influence_core.errors import DataError
from influence_core.influence.base import Prepared, Targets
from influence_core.influence.scan import mean_influence
from influence_core.progress import ProgressFn

# Targets whose (T, n) scores are held at a time.
TARGETS_AT_A_TIME = 2_000


# Mean influence of every row on some targets, and its standard error, (N,) each.
Measure = Callable[[Targets], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]


@dataclass(frozen=True)
class Harm:
    """Mean influence on the target split, (N,), negative harms; and its standard error."""

    score: npt.NDArray[np.float32]
    stderr: npt.NDArray[np.float32]

    def p_values(self) -> npt.NDArray[np.float64] | None:
        """(N,) one-sided, that the mean over items of this kind is not below zero.

        Normal approximation of score / standard error; 1 where there is no error, None if no row
        has one.
        """
        from scipy import stats

        if not np.isfinite(self.stderr).any():
            return None
        z = self.score / np.maximum(self.stderr, 1e-12)
        return np.where(np.isfinite(self.stderr), stats.norm.cdf(z), 1.0)


def local_measure(
    prepared: Prepared,
    rows: int,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Measure:
    """The scan of this process, over so many training rows, for `harm`."""
    return lambda targets: mean_influence(
        prepared.query(targets), rows, progress=progress, cancel=cancel
    )


def harm(measure: Measure, features: Tensor, labels: Tensor, proba: Tensor, rows: int) -> Harm:
    """Mean influence of each of `rows` training rows on the items of the target split.

    The standard error is that over items: how far the mean would move with other items of the
    same kind. It says nothing about the noise of the estimator itself.

    Args:
        measure: who scans, such as `local_measure`.
        features: (T, d) standardised. labels: (T,). proba: (T, C) of the full network.

    Raises:
        DataError: the target split has no item.
    """
    total = len(labels)
    if total == 0:
        raise DataError(
            "The target split has no labelled item; choose another split or a wider part of it."
        )
    sums = np.zeros(rows)
    squares = np.zeros(rows)
    for start in range(0, total, TARGETS_AT_A_TIME):
        part = slice(start, min(start + TARGETS_AT_A_TIME, total))
        n = part.stop - part.start
        mean, error = measure(Targets(features[part], labels[part], proba[part]))
        spread = np.nan_to_num(error.astype(np.float64)) ** 2 * n  # variance over the items
        sums += n * mean.astype(np.float64)
        squares += max(n - 1, 0) * spread + n * mean.astype(np.float64) ** 2
    mean_all = sums / total
    variance = np.maximum(squares - total * mean_all**2, 0.0) / max(total - 1, 1)
    stderr = np.sqrt(variance / total) if total > 1 else np.full(rows, np.nan)
    return Harm(mean_all.astype(np.float32), stderr.astype(np.float32))
