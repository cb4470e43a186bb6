"""What people decide about the items of a split: their labels wrong, right, or no item at all.

Decisions like those about training rows, kept with their split; of the training rows themselves
they are the desk's. Called by the Errors page; `accuracy` says what they change.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.data.dataset import Split
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Event, new_action
from influence_core.store.reviews.state import DISPUTED, Effective, ReviewState
from influence_core.store.reviews.store import ReviewStore, has_reviews, open_reviews
from influence_core.workflow.review.choice import Choice

Names = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Accuracy:
    """How often the predictions are right: by the labels as given, and as people corrected them.

    Attributes:
        right, known: items predicted rightly, and those with a label, as given.
        right_now, known_now: the same with the corrections that count.
        changed, left_out, kept: how many items those decisions are about.
        disputed: items on which reviewers disagree; their labels stay.
    """

    right: int
    known: int
    right_now: int
    known_now: int
    changed: int
    left_out: int
    kept: int
    disputed: int

    @property
    def decided(self) -> int:
        """How many decisions count."""
        return self.changed + self.left_out + self.kept

    def sentence(self, split: str) -> str:
        """For people: split test: 894 of 1,000 right (89.4 %); 904 of 998 (90.6 %) with …"""
        given = f"Split {split}: {_share(self.right, self.known)} as labelled"
        if not self.decided:
            return f"{given}; nobody has corrected a label."
        parts = [(self.changed, "changed"), (self.left_out, "left out"), (self.kept, "kept")]
        what = ", ".join(f"{count:,} {name}" for count, name in parts if count)
        disputed = f" {self.disputed:,} are disputed and stay as they are." * bool(self.disputed)
        return f"{given}, {_share(self.right_now, self.known_now)} as decided ({what}).{disputed}"


@dataclass(frozen=True)
class Word:
    """What is decided of one item.

    Attributes:
        counts: over all reviewers, None if nobody has decided.
        said: what each reviewer says.
        outdated: whether it was said of other content; it does not count then.
    """

    counts: Effective | None
    said: dict[str, Event]
    outdated: bool = False


@dataclass(eq=False)
class ItemReviews:
    """The decisions about one split, read again whenever they are asked for; for all threads."""

    project: Project
    split: str
    _store: ReviewStore | None = None
    _state: ReviewState = field(default_factory=ReviewState)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def data(self) -> Split:
        """The items."""
        return self.project.dataset.split(self.split)

    def decide(self, reviewer: str, choice: Choice, *, run: str = "", action: str = "") -> int:
        """Write one decision; how many were written.

        Args:
            reviewer: who decides.
            choice: about which item.
            run: id of the run that was on screen.
            action: id of the step; the same id twice writes once.

        Raises:
            DataError: an unknown class or verdict. StoreError: the database cannot be written.
        """
        made = choice.about(self.data, self.project.dataset.classes)
        step = Action(reviewer, [made], self.project.fingerprint, run, action or new_action())
        return self._opened().append(step)

    def undo(self, reviewer: str, key: int) -> int:
        """Take back the step by which this reviewer last decided on an item; its items."""
        own = self.word(key).said.get(reviewer)
        by = Action(reviewer, [], self.project.fingerprint)
        return 0 if own is None else self._opened().undo(own.action, by)

    def step(self, reviewer: str, key: int) -> int:
        """How many items that step is about: one, or as many as a file decided at once."""
        own = self.word(key).said.get(reviewer)
        with self._lock:
            return 0 if own is None else self._state.steps(reviewer).get(own.action, 0)

    def word(self, key: int) -> Word:
        """What is decided of one item."""
        with self._heard() as state:
            counts, said = state.effective(key), state.words(key)
        here = int(self.data.content_hashes[self.data.position(key)])
        old = counts is not None and counts.event.decision.content_hash != here
        return Word(counts, said, old)

    def counting(self) -> dict[int, Effective]:
        """What counts, by position; a decision about content that has changed since does not."""
        with self._heard() as state:
            return state.counting(self.data.keys, self.data.content_hashes)

    def accuracy(self, table: pd.DataFrame) -> Accuracy:
        """What the decisions change.

        Args:
            table: `items.predictions` of the split: label and predicted are class names.
        """
        given = table["label"].to_numpy().astype(object)
        predicted = table["predicted"].to_numpy()
        corrected = given.copy()
        words = self.counting()
        for position, word in words.items():
            if word.outcome == "exclude":
                corrected[position] = ""
            elif word.new_label is not None:
                corrected[position] = word.new_label
        said = [word.outcome for word in words.values()]
        return Accuracy(
            *_right(given, predicted),
            *_right(corrected, predicted),
            *(said.count(one) for one in ("relabel", "exclude", "keep", DISPUTED)),
        )

    def _opened(self) -> ReviewStore:
        with self._lock:
            if self._store is None:
                self._store = open_reviews(self.project, self.split)
            return self._store

    @contextmanager
    def _heard(self) -> Iterator[ReviewState]:
        """What others have decided since, too; no database is made where there is none."""
        with self._lock:
            if self._store is not None or has_reviews(self.project):
                self._state.catch_up(self._opened())
            yield self._state


def _share(right: int, known: int) -> str:
    percent = f" ({100 * right / known:.1f} %)" if known else ""
    return f"{right:,} of {known:,} right{percent}"


def _right(labels: Names, predicted: Names) -> tuple[int, int]:
    known = labels != ""
    return int((known & (labels == predicted)).sum()), int(known.sum())
