"""What agents propose about the training rows, to be accepted or rejected by people.

The desk and the Labels page ask it; `store.reviews.proposals` says when a proposal waits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Event, new_action
from influence_core.store.reviews.proposals import ProposalStore, accepted
from influence_core.store.reviews.store import ReviewStore
from influence_core.workflow.review.choice import Choice


@dataclass(eq=False)
class Proposals:
    """The proposals about a project's training rows; may be shared by threads.

    Attributes:
        project: whose rows.
        reviews: the project's decisions.
    """

    project: Project
    reviews: ReviewStore
    _store: ProposalStore = field(init=False)

    def __post_init__(self) -> None:
        """Open what stands beside the decisions."""
        self._store = ProposalStore(self.reviews)

    def waiting(self) -> dict[int, list[Event]]:
        """Proposals without an answer, by position, ascending; of a row the earliest first."""
        dataset = self.project.dataset
        return self._store.waiting_for(dataset.train, dataset.classes)

    def about(self, position: int) -> list[Event]:
        """What is proposed about one row, the earliest first."""
        return self.waiting().get(position, [])

    def choices(self, proposals: Sequence[Event]) -> list[Choice]:
        """What accepting these decides, one a row; the note says who proposed it.

        Raises:
            DataError: a row is not there any more.
        """
        train = self.project.dataset.train
        said = map(accepted, proposals)
        return [Choice(train.position(d.key), d.verdict, d.new_label, d.note) for d in said]

    def reject(self, reviewer: str, proposals: Sequence[Event], action: str = "") -> int:
        """Answer what is proposed about the rows of these with no, as one step; how many rows.

        Raises:
            StoreError: the database cannot be written.
        """
        said = {event.decision.key: event.decision for event in proposals}
        step = Action(
            reviewer, list(said.values()), self.project.fingerprint, id=action or new_action()
        )
        return self._store.reject(step)

    def undo(self, reviewer: str, rejection: str, action: str = "") -> list[int]:
        """Take a rejection back; keys of the rows whose proposals wait again."""
        by = Action(reviewer, [], self.project.fingerprint, id=action or new_action())
        return self._store.undo(rejection, by)
