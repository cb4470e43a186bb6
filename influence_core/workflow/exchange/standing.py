"""Decisions that stand, and those among them that do not count: their row is another by now."""

from contextlib import closing

import pandas as pd

from influence_core.store.project import Project
from influence_core.store.reviews.events import Event
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import ReviewStore, open_reviews


def changed_rows(
    project: Project, store: ReviewStore | None = None, split: str = "train"
) -> pd.DataFrame:
    """Decisions that do not count, since their row's content changed or the row is gone.

    Args:
        project: whose reviews.
        store: opened already; opened for the moment if None.
        split: whose rows.

    Returns:
        Columns key (uint64), reviewer, verdict, new_label, time, why.
    """
    if store is None:
        with closing(open_reviews(project, split)) as opened:
            return changed_rows(project, opened, split)
    data = project.dataset.split(split)
    hashes = dict(zip(data.keys.tolist(), data.content_hashes.tolist(), strict=True))
    lines = []
    for event in standing_decisions(store):
        decision = event.decision
        here = hashes.get(decision.key)
        if here != decision.content_hash:
            why = "the row is gone" if here is None else "the content changed"
            what = (decision.verdict, decision.new_label)
            lines.append((decision.key, event.reviewer, *what, event.time, why))
    table = pd.DataFrame(lines, columns=["key", "reviewer", "verdict", "new_label", "time", "why"])
    return table.astype({"key": "uint64"})


def standing_decisions(store: ReviewStore) -> list[Event]:
    """Each reviewer's decision about each row, vanished rows too, without what was undone."""
    state = ReviewState()
    state.catch_up(store)
    by_row = (sorted(state.words(key).items()) for key in state.all_effective())
    return [event for events in by_row for _, event in events]
