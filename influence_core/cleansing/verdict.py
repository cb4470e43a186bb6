"""What a trial showed, in numbers and in plain words.

Retrainings come in pairs: seed s with and without the rows, from the same start, masks and batch
order. So differences are taken seed by seed, and their mean gets a t interval.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences with its confidence interval, and how many pairs."""

    mean: float
    low: float
    high: float
    pairs: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def paired(after: npt.NDArray[np.floating], before: npt.NDArray[np.floating]) -> Difference:
    """Mean of after − before over seeds, with a t interval at 95 %."""
    gaps = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    mean = float(gaps.mean())
    if len(gaps) < 2:
        return Difference(mean, -np.inf, np.inf, len(gaps))
    error = float(gaps.std(ddof=1)) / len(gaps) ** 0.5
    reach = float(stats.t.ppf(0.5 + LEVEL / 2, len(gaps) - 1)) * error
    return Difference(mean, mean - reach, mean + reach, len(gaps))


def verdict(against_none: Difference, against_random: Difference, split: str) -> str:
    """One sentence on whether it helped on a split that chose nothing.

    It helped only if both intervals lie above zero: better than before, and better than dropping
    as many random rows of the same classes.
    """
    points = f"{100 * against_none.mean:+.1f} points of accuracy on '{split}'"
    interval = f"95 % interval {100 * against_none.low:+.1f} to {100 * against_none.high:+.1f}"
    told = f"{points} ({interval}, {against_none.pairs} retrainings)"
    if against_none.low > 0 and against_random.low > 0:
        return f"This helps: {told}, and more than dropping random rows."
    if against_none.low > 0:
        return f"Better than before, but no clearer than dropping random rows: {told}."
    if against_none.high < 0:
        return f"This makes it worse: {told}."
    return f"No evidence that this helps: {told}."
