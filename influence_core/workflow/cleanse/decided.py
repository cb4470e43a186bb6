"""What reviewers decided of a split, as edits; and which rows they said are right.

A decision counts when more than half of those who have a word agree, and when the row's content is
still what they saw (`store.reviews.state`). Cleansing and export read this.
"""

from contextlib import closing

from influence_core.store.exports.edits import Edit
from influence_core.store.project import Project
from influence_core.store.reviews.events import FAULTY
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews


def decided_edits(
    project: Project, split: str = "train"
) -> tuple[tuple[Edit, ...], frozenset[int]]:
    """Edits in the order of the data set, and keys of rows whose label was found right.

    Raises:
        StoreError: the reviews' database cannot be read. DataError: there is no such split.
    """
    data = project.dataset.split(split)
    state = ReviewState()
    with closing(open_reviews(project, split)) as store:
        state.catch_up(store)
    edits, kept = [], set()
    for position, word in state.counting(data.keys, data.content_hashes).items():
        key = int(data.keys[position])
        decision = word.event.decision
        if word.outcome == "keep":
            kept.add(key)
        if word.outcome not in FAULTY:
            continue
        label = int(data.labels[position])
        old = project.dataset.classes[label] if label >= 0 else None
        # A class that is no longer there, or a label that the source has by now, changes nothing.
        if word.new_label == old or word.new_label not in (None, *project.dataset.classes):
            continue
        edits.append(
            Edit(
                row=int(data.rows[position]),
                key=key,
                id=data.ids[position],
                action="remove" if word.outcome == "exclude" else "relabel",
                old_label=old,
                new_label=word.new_label,
                reason=f"decided: {word.outcome}"
                + (f" ({decision.note})" if decision.note else ""),
                who=word.event.reviewer,
                when=word.event.time,
            )
        )
    return tuple(edits), frozenset(kept)
