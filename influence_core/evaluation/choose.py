"""Choosing settings on a project's own retrainings without fooling oneself.

Three things are chosen: the strength λ of the ridges, from a short grid, the weights of the blend,
and the default estimator. What is reported for the first two comes from targets (and, for the
blend, subsets) that the choice never saw; what is kept is then chosen once more on all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.evaluation.lds import Array, Interval, lds

STRENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0)
FOLDS = 5
ALLOWED = 0.01  # LDS that an estimator may lose on one question while it wins on the whole


def folds_of(count: int, folds: int, seed: int = 0) -> npt.NDArray[np.int64]:
    """A fold number for each of `count` things, in random order, sizes as equal as can be."""
    return np.random.default_rng(seed).permutation(np.arange(count) % folds)


@dataclass(frozen=True)
class ChosenSetting:
    """The option kept, and the LDS of every target under the option chosen without it, (T,)."""

    option: float
    lds: Array


def choose_strength(per_option: Mapping[float, Array]) -> ChosenSetting:
    """Pick the option of highest mean LDS, cross-validated over targets.

    Args:
        per_option: LDS of each target (T,) under each option.
    """
    options = list(per_option)
    table = np.stack([per_option[option] for option in options])  # (options, T)
    fold = folds_of(table.shape[1], FOLDS)
    honest = np.empty(table.shape[1])
    for k in range(FOLDS):
        rest = table[:, fold != k]
        best = _best(rest) if rest.shape[1] else 0
        honest[fold == k] = table[best, fold == k]
    return ChosenSetting(options[_best(table)], honest)


@dataclass(frozen=True)
class Blend:
    """Weights of the blend, its held-out LDS (T,) and that of each part on the same subsets."""

    weights: dict[str, float]
    lds: Array
    parts: dict[str, Array]


def fit_blend(sums: Mapping[str, Array], losses: npt.NDArray[np.floating]) -> Blend:
    """Non-negative least squares of −loss on the parts' subset sums, pooled over targets.

    Cross-validated over targets and subsets at once: a target's LDS is measured on one half of the
    subsets by weights that saw neither the target nor that half. If the best part does as well
    there, the blend is that part alone.

    Args:
        sums: (T, G) subset sums of each part, scores in units of their own size per target.
        losses: (G, T) of the retrained models.
    """
    names = list(sums)
    stack = np.stack([sums[name] for name in names])  # (P, T, G)
    targets, groups = stack.shape[1:]
    fold, half = folds_of(targets, FOLDS, seed=1), folds_of(groups, 2, seed=2)
    held = np.zeros(targets)
    alone = {name: np.zeros(targets) for name in names}
    for h in range(2):
        for k in range(FOLDS):
            test = np.flatnonzero(fold == k)
            train = np.flatnonzero(fold != k)
            if not len(test) or not len(train):
                continue
            weights = _weights(stack[:, train][:, :, half != h], losses[half != h][:, train])
            seen = losses[half == h][:, test]
            part = stack[:, test][:, :, half == h]
            held[test] += lds(np.tensordot(weights, part, 1), seen) / 2
            for name, own in zip(names, part, strict=True):
                alone[name][test] += lds(own, seen) / 2
    best = max(names, key=lambda name: _mean(alone[name]))
    if _mean(held) <= _mean(alone[best]):
        return Blend({best: 1.0}, alone[best], alone)
    fitted = _weights(stack, losses)
    kept = {n: float(w) for n, w in zip(names, fitted / fitted.sum(), strict=True) if w > 0}
    return Blend(kept, held, alone)


def best_estimator(questions: Sequence[Mapping[str, Array]], order: Sequence[str]) -> str:
    """The default: the first of `order` that none after it beats on the questions together.

    One takes the place of another if its mean LDS over the questions is higher by more than the
    error of that difference (95 %, over targets), and on no question lower by more than `ALLOWED`.
    What was not measured on every question is no choice.

    Args:
        questions: LDS of each target (T,) by estimator, for each question; NaN where
            it was constant.
        order: the quick and simple first, since those need not prove anything.
    """
    able = [name for name in order if all(name in question for question in questions)]
    holder = able[0]
    for name in able[1:]:
        gains = [
            Interval.of(np.nan_to_num(question[name]) - np.nan_to_num(question[holder]))
            for question in questions
        ]
        error = float(np.sqrt(sum(gain.half**2 for gain in gains)))
        lost = any(gain.mean < -ALLOWED for gain in gains)
        if not lost and sum(gain.mean for gain in gains) > error:
            holder = name
    return holder


def _weights(stack: Array, losses: npt.NDArray[np.floating]) -> Array:
    """(P,) non-negative weights; equal ones where nothing correlates."""
    from scipy.optimize import nnls

    x = stack - stack.mean(axis=2, keepdims=True)
    y = -(losses - losses.mean(axis=0)).T  # (T, G)
    y = y / np.maximum(y.std(axis=1, keepdims=True), 1e-12)
    weights, _ = nnls(x.reshape(len(x), -1).T, y.ravel())
    return weights if weights.sum() > 0 else np.ones(len(stack))


def _mean(values: Array) -> float:
    """Mean LDS; below any other where nothing varied, such as after a run that learned nothing."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else -2.0


def _best(table: Array) -> int:
    return int(np.argmax(np.nanmean(np.where(np.isfinite(table), table, 0.0), axis=1)))
