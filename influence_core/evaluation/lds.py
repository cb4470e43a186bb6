"""Linear datamodelling score: do summed influences predict what retraining does?

Retrain on random halves of the rows; per target, the rank correlation over the halves between the
sum of an estimator's scores over the rows that were kept and minus the loss of the retrained model
(Park et al. 2023, TRAK, section 2.3). The same halves retrained from another start tell how well
one retraining predicts another: the square root of that correlation is the ceiling that no
estimator can exceed but by luck (Spearman's correction for attenuation).

Pure functions on arrays; `workflow.evaluate` and the benchmarks run them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.influence.base import Query
from influence_core.models.device import exact

Array = npt.NDArray[np.float64]
_CHUNK = 8192


@dataclass(frozen=True)
class Interval:
    """A mean over targets with half the width of its 95 % confidence interval."""

    mean: float
    half: float
    count: int

    @classmethod
    def of(cls, values: npt.NDArray[np.floating]) -> "Interval":
        """Student's interval; NaN values are left out, its half width is NaN below two values."""
        from scipy.stats import t as student

        known = np.asarray(values, dtype=np.float64)
        known = known[np.isfinite(known)]
        n = len(known)
        if n == 0:
            return cls(float("nan"), float("nan"), 0)
        if n == 1:
            return cls(float(known[0]), float("nan"), 1)
        half = float(student.ppf(0.975, n - 1) * known.std(ddof=1) / np.sqrt(n))
        return cls(float(known.mean()), half, n)

    def __str__(self) -> str:
        if self.count == 0:
            return "not measured"
        return f"{self.mean:.2f}" + (f" ± {self.half:.2f}" if self.count > 1 else "")


@torch.no_grad()
def subset_sums(query: Query, weights: Tensor) -> Array:
    """Summed influence of each subset on each target, (T, G), in chunks of rows.

    Args:
        query: targets made ready by an estimator.
        weights: (N, G), true or 1 where a row is in the subset.
    """
    n = len(weights)
    total: Tensor | None = None
    for start in range(0, n, _CHUNK):
        part = slice(start, min(start + _CHUNK, n))
        scores = exact(query.scores(part).scores)
        sums = scores @ weights[part].to(scores)
        total = sums if total is None else total + sums
    if total is None:
        return np.zeros((0, weights.shape[1]))
    return np.asarray(total.cpu().numpy())


def rank_correlation(a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> Array:
    """Spearman's correlation of each row of a (T, G) with the same row of b; NaN if constant."""
    from scipy.stats import rankdata

    x, y = rankdata(a, axis=1), rankdata(b, axis=1)
    x -= x.mean(axis=1, keepdims=True)
    y -= y.mean(axis=1, keepdims=True)
    size = np.sqrt((x**2).sum(1) * (y**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((x * y).sum(1) / size)


def lds(sums: Array, losses: npt.NDArray[np.floating]) -> Array:
    """LDS of each target, (T,), from subset sums (T, G) and retrained losses (G, T)."""
    return rank_correlation(sums, -losses.T)


def noise_ceiling(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> Array:
    """Highest LDS that can be expected, (T,), from two retrainings of the same subsets (G, T)."""
    return np.sqrt(np.clip(rank_correlation(first.T, second.T), 0.0, None))
