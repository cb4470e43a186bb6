"""Training rows that look mislabelled now: doubted by the run, and not found right by people.

Without a label table, so that an explanation can say it at once. Called by the verdict on an item.
"""

import threading
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from influence_core.store.project import Project
from influence_core.store.reviews.state import Effective, ReviewState
from influence_core.store.reviews.store import has_reviews, open_reviews, shared_database
from influence_core.workflow.review.doubt import doubted_rows
from influence_core.workflow.session import Session


@dataclass
class _Looked:
    """What is known of a run, whose files never change: rows that were looked at, and which of them
    it doubts; `all`: every row was."""

    keys: set[int] = field(default_factory=set)
    doubted: set[int] = field(default_factory=set)
    all: bool = False


_states: dict[tuple[Path, str], ReviewState] = {}
_looked: dict[tuple[Path, str], _Looked] = {}
_lock = threading.Lock()


def suspects(session: Session, among: Collection[int] | None = None) -> frozenset[int]:
    """Keys of the rows whose label the run doubts, without those that reviewers keep.

    Args:
        among: keys of the rows that are asked about; all if None, which takes a second of a run
            that doubts thousands.

    Raises:
        StoreError: the run's table of rows or the reviews' database cannot be read.
    """
    run = session.run
    if not run.has_table("rows"):
        return frozenset()
    # Another run may come to stand in the same folder.
    place = run.folder, run.record.created
    with _lock:
        known = _looked.setdefault(place, _Looked())
        if among is None and not known.all:
            known.doubted, known.all = set(doubted_rows(session)), True
        elif among is not None and not known.all and (new := {*among} - known.keys):
            known.doubted |= doubted_rows(session, new)
            known.keys |= new
        found = frozenset(known.doubted if among is None else known.doubted.intersection(among))
    return found - _kept(session.project)


def counting(project: Project) -> dict[int, Effective]:
    """What counts about each decided training row, by key; no database is made for the question.

    Raises:
        StoreError: the reviews' database cannot be read.
    """
    if not has_reviews(project):
        return {}
    train = project.dataset.train
    with _lock, closing(open_reviews(project)) as store:
        state = _states.setdefault((project.root, shared_database(project)), ReviewState())
        state.catch_up(store)
        found = state.counting(train.keys, train.content_hashes)
    return {int(train.keys[p]): word for p, word in found.items()}


def _kept(project: Project) -> frozenset[int]:
    """Keys of rows whose label was found right."""
    return frozenset(k for k, word in counting(project).items() if word.outcome == "keep")
