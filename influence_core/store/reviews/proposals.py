"""Decisions that an agent proposes: kept beside those that count, until a person has answered.

They stand in the same table under a name of their own, and so do rejections. Nothing that reads
decisions sees them, cleansing and export no more than an earlier version of this program. A
proposal waits until it is rejected or taken back, or until somebody has said anything about its
row since. Accepting one is a person's decision like any other, so when that is undone, it waits
again.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from influence_core.data.dataset import Split
from influence_core.store.reviews.events import MAX_NOTE, Action, Decision, Event
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import PROPOSED, REJECTED, ReviewStore


@dataclass(eq=False)
class ProposalStore:
    """The proposals about the rows of one split; may be shared by threads.

    Attributes:
        decisions: the store of what counts about the same rows.
    """

    decisions: ReviewStore
    _states: dict[str, ReviewState] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def propose(self, action: Action) -> int:
        """Write proposals as one step; how many are new.

        What the same agent proposed before is not asked again, also where it was rejected.

        Raises:
            StoreError: the database cannot be written; nothing of the step is there then.
        """
        with self._lock:
            proposed = self._heard(PROPOSED)
            known = {d.key: proposed.words(d.key).get(action.reviewer) for d in action.decisions}
        new = [d for d in action.decisions if not _says(known[d.key], d)]
        return self.decisions.beside(PROPOSED).append(replace(action, decisions=new))

    def reject(self, action: Action) -> int:
        """Answer what is proposed about these rows with no; how many rows."""
        return self.decisions.beside(REJECTED).append(action)

    def undo(self, rejection: str, by: Action) -> list[int]:
        """Take a rejection back: the keys whose proposals wait again, none if it is not theirs."""
        rejected = self.decisions.beside(REJECTED)
        before = rejected.extent().last
        rejected.undo(rejection, by)
        return [e.decision.key for e in rejected.events(before) if e.undoes == rejection]

    def waiting(self) -> dict[int, list[Event]]:
        """Proposals without an answer, by key, the earliest first."""
        with self._lock:
            decided, proposed, rejected = (self._heard(n) for n in ("", PROPOSED, REJECTED))
            found = {}
            for key in proposed.all_effective():
                answers = [*decided.words(key).values(), *rejected.words(key).values()]
                last = max((event.number for event in answers), default=0)
                open_ = [e for e in proposed.words(key).values() if e.number > last]
                if open_:
                    found[key] = sorted(open_, key=lambda event: event.number)
            return found

    def waiting_for(self, data: Split, classes: Sequence[str]) -> dict[int, list[Event]]:
        """The same by position, ascending; without those about content or labels that are gone.

        Args:
            data: the rows.
            classes: names in label order.
        """
        found = self.waiting()
        here = np.isin(data.keys, np.fromiter(found, dtype=np.uint64, count=len(found)))
        out = {}
        for position in np.flatnonzero(here).tolist():
            events = found[int(data.keys[position])]
            fitting = [e for e in events if _fits(e.decision, data, position, classes)]
            if fitting:
                out[position] = fitting
        return out

    def _heard(self, name: str) -> ReviewState:
        state = self._states.setdefault(name, ReviewState())
        state.catch_up(self.decisions.beside(name))
        return state


def accepted(proposal: Event) -> Decision:
    """What a person who accepts says: the same, with a note of who proposed it."""
    said = proposal.decision
    reason = f": {said.note}" if said.note else ""
    return replace(said, note=f"proposed by {proposal.reviewer}{reason}"[:MAX_NOTE])


def _says(earlier: Event | None, decision: Decision) -> bool:
    """Whether a proposal is the same, however it is reasoned."""
    return earlier is not None and replace(earlier.decision, note="") == replace(decision, note="")


def _fits(said: Decision, data: Split, position: int, classes: Sequence[str]) -> bool:
    """Whether it is about the row as it is now, and would change its label."""
    label = int(data.labels[position])
    given = classes[label] if label >= 0 else None
    known = said.new_label is None or (said.new_label in classes and said.new_label != given)
    return known and said.content_hash == int(data.content_hashes[position])
