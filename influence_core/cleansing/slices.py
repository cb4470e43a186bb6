"""Slices on which a model does worse than their classes explain, found and judged on other rows.

What is searched and judged is the loss of a row: the square of what its label's probability lacks
of one (Brier 1950). An error of which the model is sure counts most, and a row that it is nearly
wrong about counts, too; so wrong labels move the mean loss of a slice by half as many standard
deviations again as its error rate (benchmarks/slices.md). SliceLine (Sagadeeva and Boehm 2021)
searches all conjunctions of one and two predicates. It sees each loss divided by the mean of its
class, so that a slice is not found for being full of a hard class. What it finds is judged on rows
that it has not seen, at a level divided by the number of judged slices (Bonferroni), so one in
twenty data sets without any such slice gets one at most. Pure; called by `workflow.slices.find`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int32]  # (n, F), 0 where a column says nothing of a row
Mask = npt.NDArray[np.bool_]
Loss = npt.NDArray[np.float64]  # (n,) from 0 to 1
Predicates = tuple[tuple[int, int], ...]  # column and code, all of which must hold

JUDGED = 8  # slices at most; each more widens all intervals
LEVEL = 0.05
PRIOR = 10.0  # rows of the mean of all that a class's own mean is weighed against
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
        excess: its mean loss above that of its classes; `excess_low` and `excess_high` likewise.
        p: probability of such an excess where there is none, not corrected.
    """

    size: int
    errors: int
    expected: float
    low: float
    high: float
    excess: float
    excess_low: float
    excess_high: float
    p: float

    @property
    def rate(self) -> float:
        """Share of its rows that are wrong."""
        return self.errors / self.size

    @property
    def beyond(self) -> bool:
        """Whether the whole interval of the loss lies above what its classes explain."""
        return self.excess_low > 0


def loss_of(p_label: npt.ArrayLike) -> Loss:
    """(n,) the loss of rows whose labels have these probabilities."""
    return (1.0 - np.asarray(p_label, dtype=np.float64)) ** 2


def class_means(
    values: npt.NDArray[Any], labels: npt.NDArray[np.int64], prior: float = 0.0
) -> npt.NDArray[np.float64]:
    """(n,) the mean of each row's class, with `prior` rows of the mean of all mixed in."""
    count = np.bincount(labels)
    total = np.bincount(labels, weights=values)
    mean = (total + prior * values.mean()) / np.maximum(count + prior, 1e-12)
    return np.asarray(mean[labels], dtype=np.float64)


def within(codes: Codes, predicates: Predicates) -> Mask:
    """(n,) rows for which all predicates hold."""
    held = np.ones(len(codes), dtype=np.bool_)
    for column, code in predicates:
        held &= codes[:, column] == code
    return held


def search(
    codes: Codes,
    loss: Loss,
    labels: npt.NDArray[np.int64],
    least: int,
    looked: Sequence[int] | None = None,
    most: int = JUDGED,
) -> list[Predicates]:
    """Slices worth judging, the strongest first.

    Args:
        codes: of the rows that may find.
        loss, labels: (n,) of each row, and its class.
        least: rows of a slice.
        looked: (F,) of how many predicates like those of each column it was chosen, before or
            here; as many as all columns have together, if None.
        most: slices.

    Returns:
        Slices of one or two predicates, none larger than half of the rows, no two much alike.
    """
    from sliceline.slicefinder import Slicefinder

    if not loss.any() or not codes.shape[1] or len(loss) < 2 * least:
        return []
    mean = class_means(loss, labels, PRIOR)
    excess, spread = loss - mean, class_means((loss - mean) ** 2, labels, PRIOR)
    finder = Slicefinder(alpha=_ALPHA, k=_FOUND, max_l=2, min_sup=least, verbose=False)
    finder.fit(codes, loss / mean)
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
            z = excess[held].sum() / np.sqrt(spread[held].sum() + 1e-9)
            if z <= 0:
                continue
            # The largest of m chance values is about √(2 ln m): words and conjunctions are many.
            many = np.prod([float(looked[column]) for column, _ in predicates])
            scored.append((float(z) - float(np.sqrt(2 * np.log(many))), predicates, held))
    scored.sort(key=lambda one: (-one[0], one[1]))
    kept = distinct([held for _, _, held in scored], [len(one) > 1 for _, one, _ in scored])
    return [scored[i][1] for i in kept[:most]]


def distinct(masks: Sequence[Mask], joint: Sequence[bool] | None = None) -> list[int]:
    """Which slices stay where of two much alike only the earlier does.

    Args:
        masks: (n,) rows of each, the better first.
        joint: whether it is a conjunction, which goes if most of it is in an earlier one, too.
    """
    kept: list[int] = []
    for i, held in enumerate(masks):
        better = [masks[k] for k in kept]
        part = joint is not None and joint[i] and _inside(held, better)
        if not part and not _alike(held, better):
            kept.append(i)
    return kept


def measure(
    masks: Iterable[Mask], wrong: Mask, loss: Loss, labels: npt.NDArray[np.int64], least: int
) -> list[Judged | None]:
    """Each slice on rows that did not find it; None where it has fewer than `least` of them.

    Args:
        masks: (n,) rows of each slice.
        wrong, loss, labels: (n,) whether the model errs, the loss, and the class.
        least: rows of a slice, two or more.
    """
    kept = [mask if mask.sum() >= least else None for mask in masks]
    level = LEVEL / max(1, sum(mask is not None for mask in kept))
    if not len(wrong):
        return [None for _ in kept]
    # The slice itself counts among all rows: that makes the comparison a little harder to pass.
    rate, excess = class_means(wrong, labels), loss - class_means(loss, labels)
    spread = class_means(excess**2, labels)
    return [
        None
        if mask is None
        else _judged(wrong[mask], float(rate[mask].mean()), excess[mask], spread[mask], level)
        for mask in kept
    ]


def _judged(
    wrong: Mask,
    expected: float,
    excess: npt.NDArray[np.float64],
    spread: npt.NDArray[np.float64],
    level: float,
) -> Judged:
    """One slice: exact bounds of its error rate (Clopper and Pearson), t of its mean loss.

    The deviation is no less than that of its classes: rows that agree by chance are no proof.

    Args:
        excess, spread: (n,) loss above that of the class, and the variance within the class.
    """
    from scipy.stats import binomtest, t

    size, errors, mean = len(wrong), int(wrong.sum()), float(excess.mean())
    rate = binomtest(errors, size).proportion_ci(1 - level, method="exact")
    error = float(np.sqrt(max(excess.var(ddof=1), spread.mean(), 1e-12) / size))
    reach = error * float(t.ppf(1 - level / 2, size - 1))
    return Judged(
        size, errors, expected, float(rate.low), float(rate.high),
        mean, mean - reach, mean + reach, float(t.sf(mean / error, size - 1)),
    )  # fmt: skip


def _stated(row: npt.NDArray[np.object_]) -> Predicates:
    """What a slice states; that a word is absent, code 0, states nothing that people can use."""
    return tuple((column, int(code)) for column, code in enumerate(row) if code)


def _alike(held: Mask, others: Iterable[Mask]) -> bool:
    return any((held & other).sum() > OVERLAP * (held | other).sum() for other in others)


def _inside(held: Mask, others: Iterable[Mask]) -> bool:
    return any((held & other).sum() > INSIDE * held.sum() for other in others)
