"""What pushed a whole group of items: a confusion cell, a slice, any list of them.

The score of a training row is the mean of its scores on the items, each asked toward its own
prediction, in one pass. Called by `workflow.explain.groups.causes` and through it by
`turnover causes` and the Errors page.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from influence_core.data.dataset import Split
from influence_core.data.keys import from_hex
from influence_core.errors import DataError
from influence_core.influence.base import LinearPrepared, Prepared, Targets
from influence_core.influence.scan import mean_over, scan
from influence_core.progress import ProgressFn
from influence_core.workflow.explain.items import as_items, class_number, predictions
from influence_core.workflow.session import Session
from influence_core.workflow.slices.grammar import KINDS, slice_of

F32 = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Which items of a split are meant; all that is said must hold.

    Attributes:
        split: whose.
        true, predicted: names of classes; any if none is named.
        part: a slice as `workflow.slices` writes it, "" for all.
        items: ids or keys; with them nothing else is asked.
        right: whether right predictions belong to it, too.
    """

    split: str
    true: tuple[str, ...] = ()
    predicted: tuple[str, ...] = ()
    part: str = ""
    items: tuple[str, ...] = ()
    right: bool = False


@dataclass(frozen=True)
class Push:
    """The mean influence of every training row on a group, each item toward its prediction.

    Attributes:
        split: of the items.
        items: (T,) their positions in it, ascending.
        predicted: (T,) the class asked about.
        score: (N,) positive pushed toward it. Rows of the group itself count nothing.
        estimator: by name.
    """

    split: str
    items: Positions
    predicted: npt.NDArray[np.int64]
    score: F32
    estimator: str

    @property
    def total(self) -> float:
        """The sum over all rows that pushed toward the predictions."""
        return float(self.score[self.score > 0].sum(dtype=np.float64))

    def strongest(self, count: int) -> Positions:
        """The rows that pushed most, at most `count`; equals in the data set's order."""
        order = np.argsort(-self.score, kind="stable")[:count]
        return order[self.score[order] > 0].astype(np.int64)


def group_positions(session: Session, group: Group) -> Positions:
    """Positions of the items in their split, ascending.

    Raises:
        DataError: no such split, item or slice, or no item that is meant.
        ModelError: no such class.
    """
    split = session.project.dataset.split(group.split)
    if group.items:
        return _named(split, group.items)
    table = predictions(session, group.split)
    chosen = np.ones(len(split), dtype=np.bool_)
    if not group.right:
        label = table["label_number"].to_numpy()
        chosen = (label >= 0) & (label != table["predicted_number"].to_numpy())
    for column, names in (("label_number", group.true), ("predicted_number", group.predicted)):
        if names:
            wanted = [class_number(session, name) for name in names]
            chosen &= table[column].isin(wanted).to_numpy()
    if group.part:
        chosen &= _slice(session, group)
    if not chosen.any():
        what = "item" if group.right else "misclassified item"
        raise DataError(f"No {what} of split '{group.split}' is meant; ask for fewer conditions.")
    return np.flatnonzero(chosen)


def push_on(
    session: Session,
    split: str,
    items: Positions,
    *,
    estimator: str = "",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Push:
    """Score every training row on a group of items.

    Args:
        split: of the items.
        items: (T,) their positions in it.
        estimator: by name; the session's own choice for many targets, without a pass through the
            training, if empty.

    Raises:
        DataError: there is no item. ModelError: no such estimator, or it cannot serve the run.
        CancelledError: it was stopped.
    """
    if not len(items):
        raise DataError("The group holds no item; choose at least one.")
    name = estimator or session.estimator(many=True, quick=True)
    features, proba = as_items(session, split, items)
    predicted = proba.argmax(1)
    targets = session.targets(features, torch.from_numpy(predicted), proba)
    score = mean_scores(session.prepared(name), targets, len(session.evidence), progress, cancel)
    if split == "train":
        score[items] = 0.0  # a training row must not explain itself
    score.setflags(write=False)
    return Push(split, items, predicted, score, name)


def mean_scores(
    prepared: Prepared,
    targets: Targets,
    rows: int,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> F32:
    """(N,) the mean over targets, at the price of one where scores are linear in the target."""
    if not isinstance(prepared, LinearPrepared):
        return mean_over(prepared, targets, rows, progress=progress, cancel=cancel).mean
    kept = np.empty((1, rows), np.float32)
    scan(prepared.together(targets), rows, k=1, keep=kept, cancel=cancel)
    return kept[0]


def _named(split: Split, items: Sequence[str]) -> Positions:
    places = {name: place for place, name in enumerate(split.ids)}
    found = set()
    for item in items:
        try:
            found.add(places[item] if item in places else split.position(from_hex(item)))
        except DataError as error:
            raise DataError(
                f"Split '{split.name}' has no item with the id or key '{item}'."
            ) from error
    return np.array(sorted(found), dtype=np.int64)


def _slice(session: Session, group: Group) -> npt.NDArray[np.bool_]:
    found = slice_of(session.project, group.split, group.part)
    if found is None:
        columns = session.project.dataset.split(group.split).extra_columns
        raise DataError(f"There is no slice '{group.part}'; give {KINDS.format(columns)}.")
    return found
