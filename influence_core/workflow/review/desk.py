"""The triage desk: which training rows to look at, the evidence beside each, and what was decided.

A `Desk` is one run's label scores and the project's reviews, opened together. It may be shared by
browser sessions and threads: scores never change, and reviews are read again after each decision.
The Labels page draws it; everything that it decides goes through `store.reviews`.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.labels.advice import Advice, estimate_left
from influence_core.labels.scores import with_ranking
from influence_core.labels.skill import Skill, flagged
from influence_core.store.reviews.events import FAULTY, Action, Decision, Event, new_action
from influence_core.store.reviews.state import Effective, ReviewState
from influence_core.store.reviews.store import ReviewStore, open_reviews
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.evidence import EvidenceCache, LabelEvidence
from influence_core.workflow.review.progress import DeskProgress, progress_of
from influence_core.workflow.review.proposals import Proposals
from influence_core.workflow.review.queue import QueueFilter, QueueRows
from influence_core.workflow.review.scores import best_ranking, label_skill, label_table
from influence_core.workflow.session import Session

Positions = npt.NDArray[np.int64]


@dataclass(eq=False)
class Desk:
    """Label scores and reviews of one run.

    Attributes:
        session: the opened run.
        scores: `labels.scores` columns, one line a training row, in the data set's order.
        order: positions, most suspicious first.
        reviews: the project's decisions.
        ranking: name of the column that orders the queue.
        skill: how far its flags can be believed.
        proposals: what agents propose about its rows.
    """

    session: Session
    scores: pd.DataFrame
    order: Positions
    reviews: ReviewStore
    ranking: str
    skill: Skill
    proposals: Proposals
    _state: ReviewState = field(default_factory=ReviewState)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _evidence: EvidenceCache = field(default_factory=EvidenceCache)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.session.classes

    def queue(self, wanted: QueueFilter) -> Positions:
        """Positions that pass the filter, most suspicious first."""
        return self.order[self._rows().passing(wanted)[self.order]]

    def facets(self, wanted: QueueFilter) -> dict[str, dict[str, int]]:
        """Rows that each choice of given, suggested, state and flagged would leave."""
        return self._rows().facets(wanted)

    def evidence(self, positions: Sequence[int], k: int = 6) -> list[LabelEvidence]:
        """The rows most like these, and the nearest of their given and of their other label."""
        return self._evidence.of(self.session, self.scores, positions, k)

    def decide(self, reviewer: str, choices: Sequence[Choice], action: str = "") -> int:
        """Write decisions as one step that is there whole or not at all.

        Args:
            reviewer: who decides.
            choices: about which rows.
            action: id of the step; the same id twice writes once.

        Returns:
            How many decisions were written.

        Raises:
            DataError: an unknown class or verdict. StoreError: the database cannot be written.
        """
        dataset = self.session.project.dataset
        made = [choice.about(dataset.train, self.classes) for choice in choices]
        written = self.reviews.append(self._action(reviewer, made, action))
        self.refresh()
        return written

    def bulk(
        self, positions: Sequence[int], verdict: str, new_label: str | None = None, note: str = ""
    ) -> list[Choice]:
        """One decision for many rows.

        Args:
            positions: which rows.
            verdict: as in `VERDICTS`, or "accept" for each row's own suggested label.
            new_label: class name for "relabel".
            note: kept with each.

        Returns:
            A choice a row; rows that carry the new label already are left out.
        """
        given, suggested = (self.scores[name].to_numpy() for name in ("given", "suggested"))
        out = []
        for position in map(int, positions):
            if verdict not in {"accept", "relabel"}:
                out.append(Choice(position, verdict, None, note))
                continue
            if verdict == "accept" and suggested[position] < 0:
                continue  # nothing is suggested for a row without a label
            wanted = self.classes[suggested[position]] if verdict == "accept" else new_label
            if given[position] < 0 or self.classes[given[position]] != wanted:
                out.append(Choice(position, "relabel", wanted, note))
        return out

    def undo(self, reviewer: str, action: str = "", of: str = "") -> list[int]:
        """Take back a step of this reviewer's.

        Args:
            reviewer: whose.
            action: id of the undoing itself; the same id twice undoes once.
            of: id of the step, or of a rejection; the latest decision that stands if empty.

        Returns:
            The positions of its rows; none if there is nothing to take back.
        """
        with self._lock:
            self.refresh()
            steps = self._state.steps(reviewer)
            last = of or next(reversed(steps), "")
            if last not in steps:
                return self._here(self.proposals.undo(reviewer, of, action)) if of else []
            before = self._state.extent.last
            self.reviews.undo(last, self._action(reviewer, [], action))
            keys = [e.decision.key for e in self.reviews.events(before) if e.undoes == last]
            self.refresh()
        return self._here(keys)

    def undoable(self, reviewer: str) -> list[str]:
        """Ids of this reviewer's steps that can be taken back, oldest first."""
        with self._lock:
            self.refresh()
            return list(self._state.steps(reviewer))

    def effective(self, position: int) -> Effective | None:
        """What counts about a row, over all reviewers."""
        key = int(self.session.project.dataset.train.keys[position])
        with self._lock:
            return self._state.effective(key)

    def words(self, position: int) -> dict[str, Event]:
        """What each reviewer says about a row."""
        key = int(self.session.project.dataset.train.keys[position])
        with self._lock:
            return self._state.words(key)

    def accepted(self, reviewer: str, last: int = 50) -> tuple[int, int]:
        """How many of the latest suggestions that a reviewer judged were taken, and how many were.

        Rows whose given label was not doubted count in neither, nor does "unsure".
        """
        with self._lock:
            said = self._state.said_by(reviewer)
        given, suggested = (self.scores[name].to_numpy() for name in ("given", "suggested"))
        taken: list[bool] = []
        places = self._positions([event.decision.key for event in said])
        for event, place in zip(said, places, strict=True):
            if place < 0 or given[place] == suggested[place] or event.decision.verdict == "unsure":
                continue
            taken.append(event.decision.new_label == self.classes[suggested[place]])
        return sum(taken[:last]), len(taken[:last])

    def by_reviewer(self) -> dict[str, dict[int, str]]:
        """Per reviewer, the word about each row's key."""
        with self._lock:
            return self._state.by_reviewer()

    def refresh(self) -> bool:
        """Read what others have decided since; whether there was anything.

        The order of the queue follows an evaluation that has ended since, and the number of flags
        the decisions: as many undecided rows as labels are probably still wrong.
        """
        with self._lock:
            ranking = best_ranking(self.session)
            moved = ranking != self.ranking
            if moved:
                self.scores, self.ranking = with_ranking(self.scores, ranking), ranking
                self.order = _order(self.scores)
            heard = self._state.catch_up(self.reviews)
            if moved or heard:
                self.scores = self.scores.assign(flagged=self._flagged())
            return heard

    def outcomes(self) -> npt.NDArray[np.object_]:
        """What counts, per training row: a verdict, "disputed", or "" where nobody decided.

        A decision about a row whose content has changed since does not count.
        """
        out = np.full(len(self.scores), "", dtype=object)
        with self._lock:
            train = self.session.project.dataset.train
            for position, word in self._state.counting(train.keys, train.content_hashes).items():
                out[position] = word.outcome
        return out

    def progress(self) -> DeskProgress:
        """How far reviewers are, in all and per given class."""
        return progress_of(self.scores, self.classes, self.outcomes())

    def advice(self) -> Advice:
        """How many wrong labels are probably left, from what counts so far."""
        outcomes = self.outcomes()
        return estimate_left(
            self.scores["p_given"].to_numpy().astype(np.float64),
            np.isin(outcomes, [*FAULTY, "keep"]),
            np.isin(outcomes, FAULTY),
            self.scores["suspicion_rank"].to_numpy(),
        )

    def found(self) -> list[bool]:
        """For every row that is decided and not "unsure", whether its label was wrong, in time."""
        with self._lock:
            train = self.session.project.dataset.train
            counting = self._state.counting(train.keys, train.content_hashes).values()
        judged = [word for word in counting if word.outcome in (*FAULTY, "keep")]
        judged.sort(key=lambda word: word.event.number)
        return [word.outcome in FAULTY for word in judged]

    def _flagged(self) -> npt.NDArray[np.bool_]:
        left = self.advice().left
        if left is None or not self.skill.learned:
            return flagged(self.scores, self.skill.wrong)
        decided = self.outcomes() != ""
        first = flagged(self.scores, self.skill.wrong, decided)
        return first | flagged(self.scores, round(left), ~decided)

    def _rows(self) -> QueueRows:
        train = self.session.project.dataset.train
        proposed = self.proposals.waiting()
        return QueueRows(train, self.classes, self.scores, self.outcomes(), proposed)

    def _action(self, reviewer: str, decisions: Sequence[Decision], action: str) -> Action:
        return Action(
            reviewer,
            decisions,
            self.session.project.fingerprint,
            run=self.session.run.id,
            id=action or new_action(),
        )

    def _here(self, keys: Sequence[int]) -> list[int]:
        found = self._positions(keys)
        return found[found >= 0].tolist()

    def _positions(self, keys: Sequence[int]) -> Positions:
        """Positions of keys in the training set, -1 for those that are not there any more."""
        wanted = np.array(keys, dtype=np.uint64)
        train = self.session.project.dataset.train
        here = np.isin(wanted, train.keys)
        out = np.full(len(wanted), -1, dtype=np.int64)
        out[here] = train.positions_of(wanted[here])
        return out


def open_desk(session: Session) -> Desk:
    """Open the desk of a run; label scores are computed at the first time.

    Raises:
        StoreError: the reviews' database cannot be opened.
    """
    scores = label_table(session).sort_values("position").reset_index(drop=True)
    reviews = open_reviews(session.project)
    ranking, skill = best_ranking(session), label_skill(session)
    proposals = Proposals(session.project, reviews)
    desk = Desk(session, scores, _order(scores), reviews, ranking, skill, proposals)
    desk.refresh()
    return desk


def _order(scores: pd.DataFrame) -> Positions:
    return np.argsort(scores["suspicion_rank"].to_numpy(), kind="stable").astype(np.int64)
