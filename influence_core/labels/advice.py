"""How many wrong labels are probably left, from the decisions made so far.

Model: logit P(wrong) = a + b · logit(1 − p), p the flipped-side probability of the given label.
Prior a ~ N(0, 2²), b ~ N(1, 0.5²): before any decision the flipped side is taken at its word. The
posterior is the usual normal (Laplace) approximation, and the number of wrong labels among the
undecided rows is drawn from it row by row, so the interval holds both doubts: about a and b, and
about which rows are wrong. Reviewers go down the queue, so the rows that are left are suspected
less than those decided: the number is an extrapolation along p and only as good as this curve.

Source: Bayesian logistic regression with a Laplace approximation, Bishop 2006, section 4.5.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
LEAST = 20  # decisions, "unsure" not counted, below which nothing is said
_MEAN = np.array([0.0, 1.0])
_PRECISION = np.diag([1 / 2.0**2, 1 / 0.5**2])
_DRAWS = 2000
_GROUPS = 400  # undecided rows of nearly the same p share one binomial draw
_EDGE = 1e-4


@dataclass(frozen=True)
class Advice:
    """What is probably left.

    Attributes:
        decided: decisions that it rests on.
        left: expected number of wrong labels among the undecided rows; None if nothing can be said.
        low, high: its 90 % interval.
        next_wrong: expected share of wrong labels among the next 50 rows of the queue.
        sentence: for people.
    """

    decided: int
    left: float | None
    low: int
    high: int
    next_wrong: float
    sentence: str


def estimate_left(p_given: Floats, decided: npt.NDArray[np.bool_], wrong: npt.NDArray[np.bool_],
                  rank: npt.NDArray[np.int64], seed: int = 0) -> Advice:  # fmt: skip
    """Wrong labels among the undecided rows.

    Args:
        p_given: (N,) flipped-side probability of the given label.
        decided: (N,) rows with a decision other than "unsure".
        wrong: (N,) decided rows whose label was found wrong.
        rank: (N,) place in the queue.
        seed: of the draws.
    """
    count = int(decided.sum())
    rest = ~decided
    if count < LEAST:
        return Advice(
            count, None, 0, int(rest.sum()), float("nan"),
            f"{LEAST - count} more decisions, and this tells how many wrong labels are left.",
        )  # fmt: skip
    x = _features(p_given)
    mode, covariance = _posterior(x[decided], wrong[decided].astype(np.float64))
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_normal(mode, covariance, _DRAWS)  # (draws, 2)
    numbers = _wrong_numbers(x[rest], drawn, rng)
    low, high = np.quantile(numbers, [0.05, 0.95])
    following = np.flatnonzero(rest)[np.argsort(rank[rest], kind="stable")][:50]
    next_wrong = float(_sigmoid(x[following] @ drawn.T).mean()) if len(following) else 0.0
    left = float(numbers.mean())
    return Advice(
        count, left, int(np.floor(low)), int(np.ceil(high)), next_wrong,
        _sentence(left, int(np.floor(low)), int(np.ceil(high)), next_wrong, int(rest.sum())),
    )  # fmt: skip


def _features(p: Floats) -> Floats:
    clipped = np.clip(1.0 - p.astype(np.float64), _EDGE, 1.0 - _EDGE)
    return np.stack([np.ones(len(p)), np.log(clipped / (1.0 - clipped))], axis=1)


def _posterior(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Mode (2,) and covariance (2, 2) of (a, b), by Newton's method with halving."""
    w = _MEAN.copy()
    for _ in range(100):
        p = _sigmoid(x @ w)
        gradient = x.T @ (p - y) + _PRECISION @ (w - _MEAN)
        hessian = (x * (p * (1 - p))[:, None]).T @ x + _PRECISION
        step = np.linalg.inv(hessian) @ gradient
        size = 1.0
        while size > 1e-6 and _loss(w - size * step, x, y) > _loss(w, x, y):
            size /= 2
        w = w - size * step
        if np.abs(size * step).max() < 1e-9:
            break
    p = _sigmoid(x @ w)
    covariance: Floats = np.linalg.inv((x * (p * (1 - p))[:, None]).T @ x + _PRECISION)
    return w, covariance


def _loss(w: Floats, x: Floats, y: Floats) -> float:
    z = x @ w
    away = w - _MEAN
    return float((np.logaddexp(0, z) - y * z).sum() + 0.5 * away @ _PRECISION @ away)


def _wrong_numbers(x: Floats, drawn: Floats, rng: np.random.Generator) -> Floats:
    """Number of wrong rows in each posterior draw, (draws,)."""
    if not len(x):
        return np.zeros(len(drawn))
    order = np.argsort(x[:, 1], kind="stable")
    groups = np.array_split(x[order, 1], min(_GROUPS, len(x)))
    middle = np.array([group.mean() for group in groups])
    sizes = np.array([len(group) for group in groups])
    chance = _sigmoid(drawn[:, :1] + drawn[:, 1:] * middle)  # (draws, groups)
    return rng.binomial(sizes, chance).sum(1).astype(np.float64)


def _sigmoid(z: Floats) -> Floats:
    out: Floats = 1.0 / (1.0 + np.exp(-np.clip(z, -60, 60)))
    return out


def _sentence(left: float, low: int, high: int, next_wrong: float, rest: int) -> str:
    if rest == 0:
        return "Every row is decided."
    start = (
        f"About {left:,.0f} wrong labels are left (90 % interval {low:,} to {high:,}); of the next "
        f"50 rows about {50 * next_wrong:.0f}."
    )
    if next_wrong < 0.05:
        return start + " Looking at more rows would find few: a good place to stop."
    return start + " It is worth going on."
