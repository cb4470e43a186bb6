"""From a ranking to the rows that would go, the fair control beside them, and what classes lose.

Pure functions on arrays; nothing here knows models or files. A selection is made by one or more
rules (`RULES`: a fraction, a count, beyond the noise, what reviewers decided) and is their union.
`workflow` calls this before every trial and export, `rounds` between two rounds.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.stats import false_discovery_control

from influence_core.errors import DataError

Positions = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int64]

# Influence changes once the worst rows are gone; beyond this share one ranking destroys models.
ONE_SHOT_LIMIT = 0.02
CLASS_LOSS_LIMIT = 0.2


@dataclass(frozen=True)
class Candidates:
    """What rules choose from.

    Attributes:
        influence: (N,) of every training row on the target split; negative harms.
        p_values: (N,) under the null that a row does nothing, None if there is no null.
        decisions: what reviewers said, by position: a class number, or None for "exclude".
    """

    influence: npt.NDArray[np.floating]
    p_values: npt.NDArray[np.floating] | None = None
    decisions: Mapping[int, int | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.influence)


@dataclass(frozen=True)
class Rule:
    """One way of choosing; `amount` is a fraction of the rows, a count, or a discovery rate."""

    by: str
    amount: float = 0.0


@dataclass(frozen=True)
class Selection:
    """Rows that would change: most harmful first, then rows that only reviewers chose.

    Attributes:
        removed: positions that go.
        relabelled: new class number by position.
        reasons: names of the rules that chose a position.
    """

    removed: Positions
    relabelled: Mapping[int, int] = field(default_factory=dict)
    reasons: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def touched(self) -> Positions:
        """All positions that change, removed ones first."""
        return np.concatenate([self.removed, np.fromiter(self.relabelled, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self.removed) + len(self.relabelled)


@dataclass(frozen=True)
class ClassChange:
    """What a class loses and gains, in rows."""

    name: str
    before: int
    removed: int
    relabelled_from: int
    relabelled_to: int
    too_much: bool

    @property
    def after(self) -> int:
        """Rows of the class afterwards."""
        return self.before - self.removed - self.relabelled_from + self.relabelled_to


def harmful_first(influence: npt.NDArray[np.floating]) -> Positions:
    """Positions of harmful rows (influence < 0), the worst first; equals keep their order."""
    order = np.argsort(influence, kind="stable")
    return order[influence[order] < 0].astype(np.int64)


def discoveries(candidates: Candidates, rate: float) -> Positions:
    """Harmful rows beyond the noise at this false-discovery rate, the worst first.

    Benjamini and Hochberg (1995) over all rows; with the rate r, about a share r of those listed
    harm by chance only.

    Raises:
        DataError: there is no null to compare with, or p-values are no probabilities.
    """
    p = candidates.p_values
    if p is None:
        raise DataError(
            "The chosen estimator has no null to tell harm from noise; choose a fraction or a "
            "count, or an estimator with p-values."
        )
    if len(p) != len(candidates) or not ((p >= 0) & (p <= 1)).all():
        raise DataError("p-values must be one number from 0 to 1 for every training row.")
    q = false_discovery_control(p, method="bh")
    ranked = harmful_first(candidates.influence)
    return ranked[q[ranked] <= rate]


def _by_fraction(candidates: Candidates, amount: float) -> Positions:
    if not 0 < amount < 1:
        raise DataError(f"The fraction {amount:g} must lie between 0 and 1, such as 0.01 for 1 %.")
    return _by_count(candidates, round(amount * len(candidates)))


def _by_count(candidates: Candidates, amount: float) -> Positions:
    if amount < 0 or amount != int(amount):
        raise DataError(f"The count {amount:g} must be a whole number of rows.")
    return harmful_first(candidates.influence)[: int(amount)]


def _by_fdr(candidates: Candidates, amount: float) -> Positions:
    if not 0 < amount < 1:
        raise DataError(f"The false-discovery rate {amount:g} must lie between 0 and 1.")
    return discoveries(candidates, amount)


def _by_decisions(candidates: Candidates, _: float) -> Positions:
    decided = np.array(sorted(candidates.decisions), dtype=np.int64)
    if decided.size and (decided[0] < 0 or decided[-1] >= len(candidates)):
        raise DataError("A decision is about a row that is not there; decide again on this data.")
    return decided[np.argsort(candidates.influence[decided], kind="stable")]


RULES: dict[str, Callable[[Candidates, float], Positions]] = {
    "fdr": _by_fdr,
    "fraction": _by_fraction,
    "count": _by_count,
    "decisions": _by_decisions,
}


def choose(candidates: Candidates, rules: Sequence[Rule]) -> Selection:
    """The union of what the rules choose.

    A reviewer's relabelling wins over removal by a score: a person looked at the row.

    Args:
        candidates: N rows.
        rules: at least one.

    Returns:
        Rows to remove and to relabel, with the rules that chose each.

    Raises:
        DataError: a rule is unknown or its amount makes no sense.
    """
    reasons: dict[int, tuple[str, ...]] = {}
    for rule in rules:
        if rule.by not in RULES:
            raise DataError(f"There is no rule {rule.by!r}; there are {list(RULES)}.")
        for position in RULES[rule.by](candidates, rule.amount).tolist():
            reasons[position] = (*reasons.get(position, ()), rule.by)
    new = {
        position: label
        for position, label in candidates.decisions.items()
        if label is not None and "decisions" in reasons.get(position, ())
    }
    gone = np.array([p for p in reasons if p not in new], dtype=np.int64)
    gone = gone[np.argsort(candidates.influence[gone], kind="stable")]
    return Selection(gone, new, reasons)


def random_control(labels: Labels, selection: Selection, seed: int) -> Positions:
    """As many random rows of every class as the selection touches: the baseline to beat.

    Args:
        labels: (N,) of all training rows.
        selection: what it is compared with.
        seed: which draw.

    Returns:
        Positions to remove, ascending.
    """
    rng = np.random.default_rng(seed)
    touched = labels[selection.touched]
    drawn = [
        rng.choice(np.flatnonzero(labels == label), size=int(count), replace=False)
        for label, count in zip(*np.unique(touched, return_counts=True), strict=True)
    ]
    return np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *drawn]))


def class_changes(
    labels: Labels, selection: Selection, classes: Sequence[str], limit: float = CLASS_LOSS_LIMIT
) -> list[ClassChange]:
    """What every class loses and gains.

    Args:
        labels: (N,), -1 for none.
        selection: what would change.
        classes: their names.
        limit: a class that loses more than this share of its rows, or its last row, is marked.
    """
    changed = np.fromiter(selection.relabelled, dtype=np.int64)
    size = len(classes)
    before = _count(labels, size)
    removed = _count(labels[selection.removed], size)
    away = _count(labels[changed], size)
    into = _count(np.array([selection.relabelled[int(p)] for p in changed], dtype=np.int64), size)
    lost = before - (before - removed - away + into)
    return [
        ClassChange(
            name=name,
            before=int(before[c]),
            removed=int(removed[c]),
            relabelled_from=int(away[c]),
            relabelled_to=int(into[c]),
            too_much=bool(before[c] and (lost[c] > limit * before[c] or lost[c] >= before[c])),
        )
        for c, name in enumerate(classes)
    ]


def warnings_of(
    selection: Selection, changes: Sequence[ClassChange], rows: int, one_shot: bool
) -> list[str]:
    """What a person should know before going on, in sentences.

    Args:
        selection: what would change.
        changes: per class.
        rows: N.
        one_shot: whether one ranking chose all of it.
    """
    said = []
    if one_shot and len(selection.removed) > ONE_SHOT_LIMIT * rows:
        said.append(
            f"One ranking removes {len(selection.removed) / rows:.1%} of the rows. Influence "
            "changes once the worst rows are gone: beyond 2 % go in rounds."
        )
    for change in changes:
        if change.too_much:
            lost = change.before - change.after
            said.append(
                f"Class {change.name!r} would lose {lost} of its {change.before} rows "
                f"({lost / change.before:.0%})."
            )
    return said


def _count(labels: Labels, size: int) -> npt.NDArray[np.int64]:
    return np.bincount(labels[labels >= 0], minlength=size).astype(np.int64)
