"""Copies that move to train: rows of other splits, left out there since train holds the same.

A row that moved would stand beside its copy in train, and one of both would go; so the decision to
leave it out of its split is the move, and of near copies the form that train has stays. Each set is
a step of its own in each split, and can be moved back. Called by the Labels page and by `turnover
labels --duplicates --move-to-train`.
"""

from influence_core.errors import DataError
from influence_core.store.reviews.events import Action
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import TRAIN
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.copies import Copies, Copy
from influence_core.workflow.review.desk import Desk


def can_move(one: Copies) -> bool:
    """Whether rows of other splits would leave them for a copy that is trained on."""
    return one.leaks and not one.moved and any(not row.excluded for row in one.training)


def move_to_train(desk: Desk, one: Copies, reviewer: str) -> int:
    """Leave the rows of other splits out of them; those of train stay as they are.

    Returns:
        How many rows moved; 0 if none can.

    Raises:
        StoreError: the database cannot be written; splits that were written before stay so, and the
            same again moves the others.
    """
    project, moved = desk.session.project, 0
    if not can_move(one):
        return 0
    stays = next(row for row in one.training if not row.excluded)
    same = "copy" if one.kind == "exact" else "near copy"
    note = f"moved to train: {same} of row {str(project.dataset.train.ids[stays.position])[:200]}"
    for split, rows in _held_out(one).items():
        data = project.dataset.split(split)
        made = [
            Choice(row.position, "exclude", None, note).about(data, project.dataset.classes)
            for row in rows
            if not row.excluded
        ]
        step = Action(reviewer, made, project.fingerprint, desk.session.run.id)
        moved += desk.reviews.of_split(split).append(step)
    return moved


def move_back(desk: Desk, one: Copies, reviewer: str) -> int:
    """Take back the steps by which this reviewer left rows of the set out of other splits.

    Returns:
        How many rows are back.

    Raises:
        DataError: none of them is this reviewer's. StoreError: the database cannot be written.
    """
    project, back = desk.session.project, 0
    for split, rows in _held_out(one).items():
        data, store, state = (
            project.dataset.split(split),
            desk.reviews.of_split(split),
            ReviewState(),
        )
        state.catch_up(store)
        said = [state.words(int(data.keys[row.position])).get(reviewer) for row in rows]
        steps = {one.action for one in said if one and one.decision.verdict == "exclude"}
        for step in sorted(steps):
            back += store.undo(step, Action(reviewer, [], project.fingerprint))
    if not back:
        raise DataError("Somebody else left these rows out; only they can move them back.")
    return back


def _held_out(one: Copies) -> dict[str, list[Copy]]:
    """The rows of other splits, by split."""
    names = dict.fromkeys(row.split for row in one.rows if row.split != TRAIN)
    return {name: [row for row in one.rows if row.split == name] for name in names}
