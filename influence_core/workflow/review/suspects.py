"""Training rows that look mislabelled now: flagged by the run, and not found right by people.

Without a label table, so that an explanation can say it at once. Called by the verdict on an item.
"""

import threading
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from influence_core.store.project import Project
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import has_reviews, open_reviews, shared_database
from influence_core.store.runs import RECORD, Run, RunRecord
from influence_core.workflow.review.scores import flagged_keys
from influence_core.workflow.session import Session

_states: dict[tuple[Path, str], ReviewState] = {}
_lock = threading.Lock()


def suspects(session: Session) -> frozenset[int]:
    """Keys of the rows that the run flags, without those that reviewers keep.

    Raises:
        StoreError: the run's table of rows or the reviews' database cannot be read.
    """
    run = session.run
    if not run.has_table("rows"):
        return frozenset()
    return _flagged(run.folder, run.record.created) - _kept(session.project)


@lru_cache(maxsize=16)
def _flagged(folder: Path, created: str) -> frozenset[int]:
    """A run's files never change, so this is asked once."""
    del created  # another run may come to stand in the same folder
    return flagged_keys(Run(RunRecord.read(folder / RECORD), folder))


def _kept(project: Project) -> frozenset[int]:
    """Keys of rows whose label was found right; no database is made where there is none."""
    if not has_reviews(project):
        return frozenset()
    train = project.dataset.train
    with _lock, closing(open_reviews(project)) as store:
        state = _states.setdefault((project.root, shared_database(project)), ReviewState())
        state.catch_up(store)
        found = state.counting(train.keys, train.content_hashes)
    return frozenset(int(train.keys[p]) for p, word in found.items() if word.outcome == "keep")
