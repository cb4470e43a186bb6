"""Is a turn-over score more than noise? Keys that were never trained on know.

A fresh key draws a mask like any training row's, but no row ever taught under it, so its score on a
target is what the sub-networks alone make of that target: the null, for nothing but a few thousand
more keys in the scan. A row that taught the model nothing about the target scores exactly like one.

p-values are two-sided and empirical in the body of the null. With N = 50,000 rows a
Benjamini–Hochberg cut needs p near 1e-6, which 4,000 keys cannot resolve, so the outer tenth takes
the more cautious of two models: a normal distribution (a score is a mean over members of sums over
hundreds of units), and a generalised Pareto distribution fitted to the excesses (peaks over
threshold, Pickands 1975; probability-weighted moments, Hosking & Wallis 1987), which sees the
heavy tails that some targets have and whose end, where it has one, the normal covers. Its shape is
taken one standard error high. With p = 0.5 learned and flipped sides are exchangeable: the null is
symmetric, and both tails share their data.

`workflow.explain` shows the label, `evaluation.null_control` tests the calibration on each project.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from influence_core.errors import ModelError
from influence_core.influence.base import Evidence, Targets, need_head
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.turnover.masks import as_keys

Array = npt.NDArray[np.float64]

NULL_KEYS = 4000
TAIL = 0.1  # share of the null beyond which the fitted tail takes over
RATE = 0.1  # false-discovery rate of "beyond noise"


def fresh_keys(count: int, taken: npt.NDArray[np.uint64], seed: int = 0) -> npt.NDArray[np.uint64]:
    """`count` keys that belong to no training row."""
    rng = np.random.default_rng((seed, 0x6E756C6C))
    keys = rng.integers(0, 2**64, count + 16, dtype=np.uint64)
    free = np.setdiff1d(keys, taken)
    while len(free) < count:
        more = rng.integers(0, 2**64, count, dtype=np.uint64)
        free = np.union1d(free, np.setdiff1d(more, taken))
    return rng.permutation(free)[:count]


def null_scores(
    evidence: Evidence, targets: Targets, count: int = NULL_KEYS, seed: int = 0
) -> Array:
    """Turn-over scores of `count` fresh keys on each target, (T, count).

    Raises:
        ModelError: the run has no head.
    """
    need_head(evidence, TURNOVER.name)
    keys = fresh_keys(count, evidence.keys.cpu().numpy().view(np.uint64), seed)
    fresh = replace(evidence, keys=as_keys(keys).to(evidence.keys.device))
    query = TURNOVER.prepare(fresh).query(targets)
    return query.scores(slice(0, count)).scores.cpu().double().numpy()


@dataclass(frozen=True)
class Null:
    """The null of one target: sorted fresh scores, and the tails beyond ±thresholds.

    Each tail is (threshold, scale, shape) of a generalised Pareto distribution of the excesses.
    """

    ordered: Array  # (K,) ascending
    upper: tuple[float, float, float]
    lower: tuple[float, float, float]  # of the negated scores

    @classmethod
    def fit(cls, scores: Array, symmetric: bool) -> "Null":
        """From fresh scores (K,); `symmetric` lets both tails share their data.

        Raises:
            ModelError: fewer than 100 scores.
        """
        if len(scores) < 100:
            raise ModelError(
                f"A null of {len(scores)} keys cannot tell noise from influence; give at least 100."
            )
        ordered = np.sort(np.concatenate([scores, -scores]) if symmetric else scores)
        return cls(ordered, _tail(ordered), _tail(-ordered[::-1]))

    def p_values(self, scores: Array) -> Array:
        """Two-sided p-values (n,), in (0, 1]."""
        above = self._survival(scores, self.ordered, self.upper)
        below = self._survival(-scores, -self.ordered[::-1], self.lower)
        return np.minimum(1.0, 2.0 * np.minimum(above, below))

    @staticmethod
    def _survival(scores: Array, ordered: Array, tail: tuple[float, float, float]) -> Array:
        """Probability that a fresh key scores as much or more."""
        count = len(ordered)
        beyond = count - np.searchsorted(ordered, scores, side="left")
        body = (beyond + 1.0) / (count + 1.0)
        threshold, scale, shape = tail
        excess = np.maximum(scores - threshold, 0.0) / scale
        if abs(shape) < 1e-6:
            pareto = np.exp(-excess)
        else:
            pareto = np.maximum(1.0 + shape * excess, 0.0) ** (-1.0 / shape)
        center, spread = float(ordered.mean()), float(ordered.std())
        if spread == 0.0:  # a run that learned nothing scores all fresh keys alike
            return np.where(scores > threshold, TAIL * np.finfo(float).tiny, body)
        from scipy.special import ndtr

        # The normal joins the body at the threshold, so that p-values do not jump there.
        normal = ndtr((center - scores) / spread) / ndtr((center - threshold) / spread)
        far = TAIL * np.maximum(np.maximum(pareto, normal), np.finfo(float).tiny)
        return np.where(scores > threshold, far, body)


def _tail(ordered: Array) -> tuple[float, float, float]:
    """Threshold, scale and shape of the upper tail, by probability-weighted moments."""
    start = int(np.ceil((1.0 - TAIL) * len(ordered)))
    threshold = float(ordered[start - 1])
    excesses = ordered[start:] - threshold
    k = len(excesses)
    plotting = (np.arange(1, k + 1) - 0.35) / k
    first = float(excesses.mean())
    second = float(((1.0 - plotting) * excesses).mean())
    gap = max(first - 2.0 * second, 1e-300)
    return threshold, max(2.0 * first * second / gap, 1e-12), 2.0 - first / gap + k**-0.5


def benjamini_hochberg(p_values: Array, rate: float = RATE) -> npt.NDArray[np.bool_]:
    """Which of n p-values are called at this false-discovery rate (Benjamini & Hochberg 1995)."""
    n = len(p_values)
    order = np.argsort(p_values, kind="stable")
    passed = np.flatnonzero(p_values[order] <= rate * np.arange(1, n + 1) / n)
    called = np.zeros(n, dtype=np.bool_)
    if len(passed):
        called[order[: passed[-1] + 1]] = True
    return called


@dataclass(frozen=True)
class Significance:
    """Per target and row: p-value, and whether the score is beyond noise; both (T, N).

    `noise` (T,) is the standard deviation of the null, in nats.
    """

    p_values: Array
    beyond: npt.NDArray[np.bool_]
    noise: Array
    rate: float

    def sentence(self, target: int) -> str:
        """What to say above the list."""
        found = int(self.beyond[target].sum())
        if not found:
            return (
                "This method finds no clear row here; look at flipped-ridge or similarity instead."
            )
        rows = "1 row stands" if found == 1 else f"{found} rows stand"
        return f"{rows} out from the noise, at most {self.rate:.0%} of them by chance."


def significance(
    evidence: Evidence,
    targets: Targets,
    scores: npt.NDArray[np.floating],
    *,
    rate: float = RATE,
    keys: int = NULL_KEYS,
    seed: int = 0,
) -> Significance:
    """Compare turn-over scores (T, N) of all rows with their null.

    Args:
        evidence: the run. targets: the T targets. scores: (T, N) turn-over scores.
        rate: false-discovery rate over the N rows of each target.
        keys: how many fresh keys. seed: which ones.

    Raises:
        ModelError: the run has no head, or there are too few keys.
    """
    head = need_head(evidence, TURNOVER.name)
    null = null_scores(evidence, targets, keys, seed)
    p_values = np.empty(scores.shape)
    beyond = np.empty(scores.shape, dtype=np.bool_)
    for t in range(len(targets)):
        model = Null.fit(null[t], symmetric=head.config.p == 0.5)
        p_values[t] = model.p_values(np.asarray(scores[t], dtype=np.float64))
        beyond[t] = benjamini_hochberg(p_values[t], rate)
    return Significance(p_values, beyond, null.std(axis=1), rate)
