"""What review events mean together: what each reviewer thinks of a row, and what counts.

Pure bookkeeping over events in the order of their numbers. A reviewer's word about a row is his or
her latest decision that was not taken back, so undo brings the one before it back. Over reviewers,
`unsure` abstains, and what more than half of the others say counts; where there is no such
majority the row is *disputed* and nothing happens to it until somebody changes sides.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from influence_core.data.keys import Keys
from influence_core.store.reviews.events import Event
from influence_core.store.reviews.store import Extent, ReviewStore

DISPUTED = "disputed"


@dataclass(frozen=True)
class Effective:
    """What counts about a row.

    Attributes:
        outcome: a verdict, or "disputed".
        event: the latest event that speaks for it.
        reviewers: how many have a word about the row.
    """

    outcome: str
    event: Event
    reviewers: int

    @property
    def new_label(self) -> str | None:
        """Class name of a relabelling that counts."""
        return self.event.decision.new_label if self.outcome == "relabel" else None


class ReviewState:
    """Events folded one by one; feed it the new ones whenever there are some."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self.extent = Extent(0, 0)
        self._words: dict[int, dict[str, list[Event]]] = defaultdict(dict)
        self._steps: dict[str, dict[str, int]] = defaultdict(dict)
        self._undone: set[str] = set()
        self._cache: dict[int, Effective | None] = {}

    def catch_up(self, store: ReviewStore) -> bool:
        """Take in what is new in the database; whether there was anything.

        Numbers of another writer's transaction may become visible after greater ones. Then the
        count does not fit, and everything is read again.
        """
        there = store.extent()
        if there == self.extent:
            return False
        new = store.events(after=self.extent.last)
        # More may have come since; then it is read the next time.
        known = [event for event in new if event.number <= there.last]
        if self.extent.events + len(known) != there.events:
            self._forget()
            known = [event for event in store.events() if event.number <= there.last]
        self.add(known)
        self.extent = there
        return True

    def add(self, events: Iterable[Event]) -> None:
        """Fold events in."""
        for event in events:
            key = event.decision.key
            self._cache.pop(key, None)
            if event.undoes:
                self._undone.add(event.undoes)
                self._steps[event.reviewer].pop(event.undoes, None)
                continue
            self._words[key].setdefault(event.reviewer, []).append(event)
            if event.action not in self._undone:
                steps = self._steps[event.reviewer]
                steps[event.action] = steps.get(event.action, 0) + 1

    def steps(self, reviewer: str) -> dict[str, int]:
        """Actions that this reviewer can take back, oldest first, with their numbers of rows."""
        return dict(self._steps.get(reviewer, {}))

    def words(self, key: int) -> dict[str, Event]:
        """What each reviewer says about a row."""
        said = {}
        for reviewer, events in self._words.get(key, {}).items():
            valid = [event for event in events if event.action not in self._undone]
            if valid:
                said[reviewer] = valid[-1]
        return said

    def said_by(self, reviewer: str) -> list[Event]:
        """A reviewer's words about all rows, latest first."""
        said = (self.words(key).get(reviewer) for key in self._words)
        return sorted(filter(None, said), key=lambda event: -event.number)

    def effective(self, key: int) -> Effective | None:
        """What counts about a row, None if nobody has decided."""
        if key not in self._cache:
            self._cache[key] = _majority(self.words(key))
        return self._cache[key]

    def all_effective(self) -> dict[int, Effective]:
        """What counts, by key, for every row with a decision."""
        found = {key: self.effective(key) for key in list(self._words)}
        return {key: value for key, value in found.items() if value is not None}

    def counting(self, keys: Keys, hashes: Keys) -> dict[int, Effective]:
        """What counts about the training rows, by position, ascending.

        A decision about a row that is gone, or whose content has changed since, does not count.

        Args:
            keys, hashes: (N,) keys and content hashes of the rows.
        """
        known = self.all_effective()
        decided = np.isin(keys, np.fromiter(known, dtype=np.uint64, count=len(known)))
        found = {p: known[int(keys[p])] for p in np.flatnonzero(decided).tolist()}
        return {p: e for p, e in found.items() if e.event.decision.content_hash == int(hashes[p])}

    def by_reviewer(self) -> dict[str, dict[int, str]]:
        """Per reviewer, the word about each row: "keep", or "relabel cat"."""
        out: dict[str, dict[int, str]] = defaultdict(dict)
        for key in self._words:
            for reviewer, event in self.words(key).items():
                out[reviewer][key] = _side(event)
        return dict(out)


def _side(event: Event) -> str:
    decision = event.decision
    return f"{decision.verdict} {decision.new_label or ''}".strip()


def _majority(words: Mapping[str, Event]) -> Effective | None:
    if not words:
        return None
    latest = max(words.values(), key=lambda event: event.number)
    votes = [event for event in words.values() if event.decision.verdict != "unsure"]
    if not votes:
        return Effective("unsure", latest, len(words))
    side, count = Counter(map(_side, votes)).most_common(1)[0]
    if 2 * count <= len(votes):
        return Effective(DISPUTED, latest, len(words))
    speaker = max((e for e in votes if _side(e) == side), key=lambda event: event.number)
    return Effective(speaker.decision.verdict, speaker, len(words))
