"""Sets of copies as the desk decides on them: which row of each stays, and what that excludes.

In a set within train one row stays. Of a set that another split holds a row of, none does: what
accuracy is measured on must not be trained on, and a training row that is gone ends the leak. Or
the rows of other splits have moved to train (`moves`): then it is a set within train. The Labels
page and `turnover labels --duplicates` call it.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.copies import copy_sets, exact_sets
from influence_core.data.checks.near import CopySet as CopySet  # noqa: PLC0414  (pages use it)
from influence_core.data.dataset import Dataset
from influence_core.errors import StoreError
from influence_core.labels.copies import who_stays
from influence_core.models.encoders import is_own
from influence_core.store.copies import keep_copies, read_copies
from influence_core.store.project import Project
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import TRAIN
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import Desk

_LEFT = ("keep", "relabel")  # of a row that somebody has looked at and that stays


@dataclass(frozen=True)
class Copy:
    """One row of a set.

    Attributes:
        split, position: where it stands.
        label: class number in the file, -1 for none.
        outcome: what counts about it, "" where nobody decided.
        new_label: class name that it was given instead.
    """

    split: str
    position: int
    label: int
    outcome: str = ""
    new_label: str | None = None

    @property
    def excluded(self) -> bool:
        """Whether a decision leaves it out."""
        return self.outcome == "exclude"


@dataclass(frozen=True)
class Copies:
    """A set of copies, as the decisions stand.

    Attributes:
        kind: "exact" or "near".
        rows: in the data set's order.
        stays: position of the training row that stays unless another is chosen; None of a set that
            another split holds a row of which is not left out there, or without training rows.
        tied: whether no label of it has a majority.
    """

    kind: Literal["exact", "near"]
    rows: tuple[Copy, ...]
    stays: int | None = None
    tied: bool = False

    @property
    def training(self) -> tuple[Copy, ...]:
        """The rows that can be left out."""
        return tuple(row for row in self.rows if row.split == TRAIN)

    @property
    def differ(self) -> bool:
        """Whether its rows carry different labels in the file."""
        return len({row.label for row in self.rows if row.label >= 0}) > 1

    @property
    def leaks(self) -> bool:
        """Whether train and another split hold rows of it."""
        return 0 < len(self.training) < len(self.rows)

    @property
    def moved(self) -> bool:
        """Whether all rows of other splits are left out there, and train has a copy of them."""
        return self.leaks and all(row.excluded for row in self.rows if row.split != TRAIN)

    @property
    def settled(self) -> bool:
        """Whether enough rows are left out, or somebody said of all others that they stay."""
        left = [row for row in self.training if not row.excluded]
        most = 0 if self.leaks and not self.moved else 1
        return len(left) <= most or all(row.outcome in _LEFT for row in left)

    def remains(self, row: Copy) -> bool:
        """Whether a row is left after `keep_one_each`."""
        if row.split != TRAIN:
            return not row.excluded
        return not row.excluded if self.settled else row.position == self.stays


def copies_known(project: Project) -> bool:
    """Whether the data were compared before."""
    return _read(project) is not None


def all_copies(project: Project, cancel: threading.Event | None = None) -> list[CopySet]:
    """The sets of a project's data: conflicting labels first, then across splits, then others.

    They are found once and kept with the project. Sets without a training row come last.

    Raises:
        CancelledError: `cancel` was set. StoreError: what was kept is damaged.
    """
    found = _read(project)
    if found is None:
        found = copy_sets(project.dataset, cancel, _own_features(project))
        with suppress(StoreError):  # of a disk that takes nothing: it is found again the next time
            keep_copies(project.root, project.fingerprint, found)
    return sorted(found, key=lambda one: _order(one, project.dataset))


def _own_features(project: Project) -> dict[str, npt.NDArray[np.float16]] | None:
    """Those that the user brought of a table, whose rows nothing else is known of."""
    if project.dataset.modality != "table" or not is_own(project.settings.encoder):
        return None
    return {split.name: project.features(split.name) for split in project.dataset}


def quick_copies(project: Project) -> list[CopySet]:
    """Those of one content, or all where they are known: found at once, for a card of the desk."""
    return _read(project) or exact_sets(project.dataset)


def standing(desk: Desk, sets: Iterable[CopySet]) -> list[Copies]:
    """The sets as the decisions stand."""
    every = [*sets]
    outcomes = {TRAIN: desk.outcomes()}
    for split in {name for one in every for name, _ in one.rows} - {TRAIN}:
        outcomes[split] = _held_out(desk, split)
    return [_standing(desk, outcomes, one) for one in every]


def as_now(desk: Desk, sets: Iterable[Copies]) -> list[Copies]:
    """The same sets as the decisions stand by now."""
    found = [CopySet(one.kind, tuple((r.split, r.position) for r in one.rows)) for one in sets]
    return standing(desk, found)


def keep_one(desk: Desk, one: Copies, stays: int | None = None) -> list[Choice]:
    """The decisions that leave one training row of a set, or none of a set that leaks.

    Args:
        desk: of the open run.
        one: the set.
        stays: position of the row that stays, `one.stays` if None.

    Returns:
        A choice for each row that must be left out, or be taken back in; none if all is so.
    """
    chosen = one.stays if stays is None else stays
    note = _note(desk, one, chosen)
    out = []
    for row in one.training:
        if row.position != chosen and not row.excluded:
            out.append(Choice(row.position, "exclude", None, note))
        elif row.position == chosen and row.excluded:
            out.append(Choice(row.position, "keep"))
    return out


def keep_one_each(desk: Desk, sets: Iterable[Copies]) -> list[Choice]:
    """The same for all sets that are not settled."""
    return [choice for one in sets if not one.settled for choice in keep_one(desk, one)]


def keep_all(one: Copies) -> list[Choice]:
    """The decisions that say of all training rows left that they stay."""
    return [
        Choice(row.position, "keep")
        for row in one.training
        if not row.excluded and row.outcome not in _LEFT
    ]


def one_label(desk: Desk, one: Copies) -> list[Choice]:
    """The decisions that give all training rows left the label of the one that stays."""
    name, out = label_of(desk, one), []
    for row in one.training:
        now = desk.classes[_now(desk, row)] if _now(desk, row) >= 0 else None
        given = desk.classes[row.label] if row.label >= 0 else None
        if row.excluded or (now == name and row.outcome in _LEFT):
            continue
        out.append(
            Choice(row.position, "keep") if given == name else Choice(row.position, "relabel", name)
        )
    return out


def label_of(desk: Desk, one: Copies) -> str:
    """The label, as decided, of the row that stays."""
    stays = next(row for row in one.training if row.position == one.stays)
    return desk.classes[_now(desk, stays)]


def other_labels(dataset: Dataset, sets: Iterable[CopySet]) -> dict[int, tuple[CopySet, int]]:
    """For each training row with a copy of another label: the set, and the copy's index in it."""
    out = {}
    for one in sets:
        labels = [int(dataset.split(name).labels[at]) for name, at in one.rows]
        for (name, at), own in zip(one.rows, labels, strict=True):
            other = next((i for i, label in enumerate(labels) if 0 <= label != own >= 0), None)
            if name == TRAIN and other is not None:
                out[at] = (one, other)
    return out


def _read(project: Project) -> list[CopySet] | None:
    return read_copies(project.root, project.fingerprint, project.header.splits)


def _order(one: CopySet, dataset: Dataset) -> int:
    training = len(one.of(TRAIN))
    labels = {int(dataset.split(name).labels[at]) for name, at in one.rows} - {-1}
    if not training:
        return 3
    return 0 if len(labels) > 1 else 1 if training < len(one.rows) else 2


def _held_out(desk: Desk, split: str) -> npt.NDArray[np.object_]:
    """What counts about each row of another split, as `Desk.outcomes` of the training rows."""
    data, state = desk.session.project.dataset.split(split), ReviewState()
    state.catch_up(desk.reviews.of_split(split))
    out = np.full(len(data), "", dtype=object)
    for position, word in state.counting(data.keys, data.content_hashes).items():
        out[position] = word.outcome
    return out


def _standing(desk: Desk, outcomes: Mapping[str, npt.NDArray[np.object_]], one: CopySet) -> Copies:
    rows = []
    for name, at in one.rows:
        label = int(desk.session.project.dataset.split(name).labels[at])
        outcome = str(outcomes[name][at])
        word = desk.effective(at) if outcome == "relabel" and name == TRAIN else None
        rows.append(Copy(name, at, label, outcome, None if word is None else word.new_label))
    training = [row for row in rows if row.split == TRAIN]
    if not training or any(row.split != TRAIN and not row.excluded for row in rows):
        return Copies(one.kind, tuple(rows))
    left = [row for row in training if not row.excluded] or training
    labels = [_now(desk, row) for row in left]
    stay = who_stays(labels, _likely(desk, left))
    return Copies(one.kind, tuple(rows), left[stay.index].position, stay.tied)


def _now(desk: Desk, row: Copy) -> int:
    """Its label as it is decided."""
    return row.label if row.new_label is None else desk.classes.index(row.new_label)


def _likely(desk: Desk, rows: Sequence[Copy]) -> dict[int, float]:
    """How likely the model finds each given label of a set, where it has learned something."""
    if not desk.skill.learned:
        return {}
    chances = desk.scores["p_given"].to_numpy()
    known = [row for row in rows if row.label >= 0]
    return {
        label: float(np.mean([chances[row.position] for row in known if row.label == label]))
        for label in {row.label for row in known}
    }


def _note(desk: Desk, one: Copies, stays: int | None) -> str:
    """Why a row is left out, kept with the decision."""
    here = next(
        r for r in one.rows if (r.position == stays if r.split == TRAIN else not r.excluded)
    )
    split = desk.session.project.dataset.split(here.split)
    name = str(split.ids[here.position])[:200]
    same = "copy" if one.kind == "exact" else "near copy"
    return f"{same} of row {name}" + ("" if here.split == TRAIN else f" of {here.split}")
