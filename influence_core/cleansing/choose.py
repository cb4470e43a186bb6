"""From a ranking to the rows that would go, the fair control beside them, and what classes lose.

Pure functions on arrays; nothing here knows models or files. Rows are chosen by one or more rules
(`RULES`: a share, a count, significant rows only), of which any is enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from influence_core.errors import DataError

Positions = npt.NDArray[np.int64]
Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating]

# Influence changes once the worst rows are gone; beyond this share one ranking destroys models.
ONE_SHOT_LIMIT = 0.02
CLASS_LOSS_LIMIT = 0.2
# Rules, and what their amounts are.
RULES = {
    "fdr": "a false-discovery rate between 0 and 1, such as 0.1",
    "fraction": "a share of the rows between 0 and 1, such as 0.01 for 1 %",
    "count": "a whole number of rows, at least 1",
}


@dataclass(frozen=True)
class Rule:
    """One way of choosing, and how much of it.

    Raises:
        DataError: there is no such rule, or its amount makes no sense.
    """

    by: str
    amount: float

    def __post_init__(self) -> None:
        if self.by not in RULES:
            raise DataError(f"There is no rule {self.by!r}; there are {', '.join(RULES)}.")
        whole = self.amount >= 1 and float(self.amount).is_integer()
        if not (whole if self.by == "count" else 0 < self.amount < 1):
            raise DataError(f"{self.by} is {self.amount:g}; it must be {RULES[self.by]}.")


@dataclass(frozen=True)
class Selection:
    """Rows that would change.

    Attributes:
        removed: positions that go, the most harmful first.
        relabelled: new class number by position.
    """

    removed: Positions
    relabelled: Mapping[int, int] = field(default_factory=dict)

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


def harmful_first(influence: Scores) -> Positions:
    """Positions of harmful rows (influence < 0), the worst first; equals keep their order."""
    order = np.argsort(influence, kind="stable")
    return order[influence[order] < 0].astype(np.int64)


def choose(rules: Sequence[Rule], influence: Scores, p_values: Scores | None = None) -> Positions:
    """Positions of the rows that any of the rules chooses, the most harmful first.

    Args:
        rules: at least one.
        influence: (N,) of every training row on the target split; negative harms.
        p_values: (N,) under the null that a row does nothing, None if there are none.

    Raises:
        DataError: "fdr" has no p-values, or they are no probabilities.
    """
    from scipy.stats import false_discovery_control

    ranked = harmful_first(influence)
    chosen = np.zeros(len(influence), dtype=np.bool_)
    for rule in rules:
        if rule.by == "fdr":
            # Benjamini and Hochberg (1995) over all rows: of the rows with q <= r, about a share r
            # harms by chance only.
            q = false_discovery_control(_checked(p_values, len(influence)), method="bh")
            chosen[ranked[q[ranked] <= rule.amount]] = True
        else:
            share = len(influence) if rule.by == "fraction" else 1
            chosen[ranked[: round(rule.amount * share)]] = True
    return ranked[chosen[ranked]]


def _checked(p: Scores | None, rows: int) -> Scores:
    if p is None:
        raise DataError(
            "There are no p-values to tell harm from noise by, which takes two items of the target "
            "split at least; choose a fraction or a count, or a larger split."
        )
    if len(p) != rows or not ((p >= 0) & (p <= 1)).all():
        raise DataError("p-values must be one number from 0 to 1 for every training row.")
    return p


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
