"""Slices on which a model errs more than their classes explain, found and judged on other rows.

SliceLine (Sagadeeva and Boehm 2021) searches all conjunctions of one and two predicates. It sees
each error divided by the error rate of its class, so that a slice is not found for being full of a
hard class. What it finds is judged on rows that it has not seen: the interval is the exact one of
Clopper and Pearson at a level divided by the number of judged slices (Bonferroni), so one in twenty
data sets without any such slice gets one at most. Pure; called by `workflow.slices.find`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]  # (n, F), 0 where a column says nothing of a row
Mask = npt.NDArray[np.bool_]
Predicates = tuple[tuple[int, int], ...]  # column and code, all of which must hold

JUDGED = 8  # slices at most; each more widens all intervals
LEVEL = 0.05
PRIOR = 10.0  # rows of the mean rate that a class's own rate is weighed against
WIDEST = 0.5  # of the rows: a larger slice is no part but the whole
OVERLAP = 0.5  # Jaccard; of two that share more only the better is judged
INSIDE = 0.75  # of a conjunction's rows in a better slice: it is a part of that one
_ALPHA, _FOUND = 0.99, 100  # SliceLine's weight of errors against size, and slices it returns


@dataclass(frozen=True)
class Judged:
    """A slice on rows that did not find it.

    Attributes:
        size, errors: rows of it, and how many the model gets wrong.
        expected: the error rate of the same classes in all rows.
        low, high: of its own error rate, 95 % for all judged slices at once.
        p: probability of as many errors at the expected rate, not corrected.
    """

    size: int
    errors: int
    expected: float
    low: float
    high: float
    p: float

    @property
    def rate(self) -> float:
        """Share of its rows that are wrong."""
        return self.errors / self.size

    @property
    def beyond(self) -> bool:
        """Whether the whole interval lies above what its classes explain."""
        return self.low > self.expected


def class_rates(
    wrong: Mask, labels: npt.NDArray[np.int64], prior: float = 0.0
) -> npt.NDArray[np.float64]:
    """(n,) the error rate of each row's class, with `prior` rows of the mean rate mixed in."""
    count = np.bincount(labels)
    bad = np.bincount(labels, weights=wrong)
    rate = (bad + prior * wrong.mean()) / np.maximum(count + prior, 1e-12)
    return np.asarray(rate[labels], dtype=np.float64)


def within(codes: Codes, predicates: Predicates) -> Mask:
    """(n,) rows for which all predicates hold."""
    held = np.ones(len(codes), dtype=np.bool_)
    for column, code in predicates:
        held &= codes[:, column] == code
    return held


def search(
    codes: Codes,
    wrong: Mask,
    labels: npt.NDArray[np.int64],
    least: int,
    looked: Sequence[int] | None = None,
    most: int = JUDGED,
) -> list[Predicates]:
    """Slices worth judging, the strongest first.

    Args:
        codes: of the rows that may find.
        wrong, labels: (n,) whether the model errs, and the class.
        least: rows of a slice.
        looked: (F,) of how many predicates like those of each column it was chosen, before or
            here; as many as all columns have together, if None.
        most: slices.

    Returns:
        Slices of one or two predicates, none larger than half of the rows, no two much alike.
    """
    from sliceline.slicefinder import Slicefinder

    if not wrong.any() or not codes.shape[1] or len(wrong) < 2 * least:
        return []
    rate = class_rates(wrong, labels, PRIOR)
    finder = Slicefinder(alpha=_ALPHA, k=_FOUND, max_l=2, min_sup=least, verbose=False)
    finder.fit(codes, wrong / rate)
    found = {_stated(row) for row in finder.top_slices_} - {()}
    # Of one predicate all are looked at: conjunctions could crowd them out of those returned.
    found |= {
        ((column, int(c)),) for column, own in enumerate(codes.T) for c in {*own.tolist()} - {0}
    }
    if looked is None:
        looked = [sum(len(one) == 1 for one in found)] * codes.shape[1]
    scored = []
    for predicates in sorted(found):
        held = within(codes, predicates)
        if least <= held.sum() <= WIDEST * len(held):
            z = (wrong[held].sum() - rate[held].sum()) / np.sqrt(
                (rate[held] * (1 - rate[held])).sum() + 1e-9
            )
            if z <= 0:
                continue
            # The largest of m chance values is about √(2 ln m): words and conjunctions are many.
            many = np.prod([float(looked[column]) for column, _ in predicates])
            scored.append((float(z) - float(np.sqrt(2 * np.log(many))), predicates, held))
    scored.sort(key=lambda one: (-one[0], one[1]))
    kept: list[tuple[Predicates, Mask]] = []
    for _, predicates, held in scored:
        better = [other for _, other in kept]
        part = len(predicates) > 1 and _inside(held, better)
        if len(kept) < most and not part and not _alike(held, better):
            kept.append((predicates, held))
    return [predicates for predicates, _ in kept]


def measure(
    masks: Iterable[Mask], wrong: Mask, labels: npt.NDArray[np.int64], least: int
) -> list[Judged | None]:
    """Each slice on rows that did not find it; None where it has fewer than `least` of them.

    Args:
        masks: (n,) rows of each slice.
        wrong, labels: (n,) whether the model errs, and the class.
        least: rows of a slice.
    """
    from scipy.stats import binomtest

    kept = [mask if mask.sum() >= least else None for mask in masks]
    many = sum(mask is not None for mask in kept)
    # The slice itself counts among all rows: that makes the comparison a little harder to pass.
    rate = class_rates(wrong, labels) if len(wrong) else np.zeros(0)
    out: list[Judged | None] = []
    for mask in kept:
        if mask is None:
            out.append(None)
            continue
        size, errors, expected = int(mask.sum()), int(wrong[mask].sum()), float(rate[mask].mean())
        test = binomtest(errors, size, min(max(expected, 1e-9), 1 - 1e-9), alternative="greater")
        bounds = binomtest(errors, size).proportion_ci(1 - LEVEL / many, method="exact")
        out.append(
            Judged(
                size, errors, expected, float(bounds.low), float(bounds.high), float(test.pvalue)
            )
        )
    return out


def _stated(row: npt.NDArray[np.object_]) -> Predicates:
    """What a slice states; that a word is absent, code 0, states nothing that people can use."""
    return tuple((column, int(code)) for column, code in enumerate(row) if code)


def _alike(held: Mask, others: Iterable[Mask]) -> bool:
    return any((held & other).sum() > OVERLAP * (held | other).sum() for other in others)


def _inside(held: Mask, others: Iterable[Mask]) -> bool:
    return any((held & other).sum() > INSIDE * held.sum() for other in others)
