"""The triage desk: which training rows to look at, the evidence beside each, and what was decided.

A `Desk` is one run's label scores and the project's reviews, opened together. It may be shared by
browser sessions and threads: scores never change, and reviews are read anew after each decision.
The Labels page draws it; everything that it decides goes through `store.reviews`.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc
import torch

from influence_core.errors import DataError
from influence_core.influence import DEFAULT_ESTIMATOR
from influence_core.influence.scan import Ranking, Top, scan
from influence_core.labels.advice import Advice, estimate_left
from influence_core.store.reviews.events import Action, Decision, Event, new_action
from influence_core.store.reviews.state import DISPUTED, Effective, ReviewState
from influence_core.store.reviews.store import ReviewStore, open_reviews
from influence_core.workflow.review.scores import label_table
from influence_core.workflow.session import Session

Positions = npt.NDArray[np.int64]
State = Literal["all", "undecided", "decided", "disputed"]
STATES: tuple[State, ...] = ("undecided", "decided", "disputed", "all")
_KEPT = 512  # rows whose evidence stays in memory


@dataclass(frozen=True)
class QueueFilter:
    """Which rows to show; every field narrows.

    Attributes:
        given, suggested: class names, "" for any.
        state: undecided, decided, disputed (reviewers disagree), or all.
        low, high: bounds, both included, of the flipped-side probability of the given label.
        text: part of the sentence, in any case; of the id where rows are images.
        flagged: only rows that the label scores flag.
    """

    given: str = ""
    suggested: str = ""
    state: State = "undecided"
    low: float = 0.0
    high: float = 1.0
    text: str = ""
    flagged: bool = False


@dataclass(frozen=True)
class Choice:
    """One row's decision, not yet written; `position` is the row's place in the training set."""

    position: int
    verdict: str
    new_label: str | None = None
    note: str = ""


@dataclass(frozen=True)
class LabelEvidence:
    """Training rows that most support either label of one row, strongest first.

    `alternative` is the suggested class, or the most probable other one where the flipped side
    agrees with the given label.
    """

    position: int
    alternative: int
    given: Top
    other: Top


@dataclass(frozen=True)
class DeskProgress:
    """How far reviewers are: numbers of rows."""

    total: int
    flagged: int
    flagged_decided: int
    decided: int
    disputed: int
    wrong: int  # relabelled or excluded
    by_class: pd.DataFrame  # class, rows, flagged, decided, wrong


@dataclass(eq=False)
class Desk:
    """Label scores and reviews of one run.

    Attributes:
        session: the opened run.
        scores: `labels.scores` columns, one line a training row, in the data set's order.
        order: positions, most suspicious first.
        reviews: the project's decisions.
    """

    session: Session
    scores: pd.DataFrame
    order: Positions
    reviews: ReviewStore
    _state: ReviewState = field(default_factory=ReviewState)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _evidence: "OrderedDict[int, LabelEvidence]" = field(default_factory=OrderedDict)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.session.classes

    def queue(self, wanted: QueueFilter) -> Positions:
        """Positions that pass the filter, most suspicious first."""
        keep = np.ones(len(self.scores), bool)
        for mask in self._masks(wanted).values():
            keep &= mask
        return self.order[keep[self.order]]

    def facets(self, wanted: QueueFilter) -> dict[str, dict[str, int]]:
        """Rows that each choice of given, suggested, state and flagged would leave."""
        masks = self._masks(wanted)
        columns = {
            "given": self.scores["given"].to_numpy(),
            "suggested": self.scores["suggested"].to_numpy(),
        }
        out: dict[str, dict[str, int]] = {}
        for name in ("given", "suggested", "state", "flagged"):
            rest = np.ones(len(self.scores), bool)
            for other, mask in masks.items():
                if other != name:
                    rest &= mask
            if name in columns:
                values = columns[name][rest]
                counts = np.bincount(values[values >= 0], minlength=len(self.classes))
                out[name] = dict(zip(self.classes, counts.tolist(), strict=True))
            elif name == "state":
                out[name] = {s: int((rest & self._in_state(s)).sum()) for s in STATES}
            else:
                flagged = self.scores["flagged"].to_numpy()
                out[name] = {"flagged": int((rest & flagged).sum()), "all": int(rest.sum())}
        return out

    def evidence(self, positions: Sequence[int], k: int = 6) -> list[LabelEvidence]:
        """What supports the given and what the other label of these rows, computed together.

        The row itself is left out. Kept in memory for rows that were asked about lately.
        """
        with self._lock:
            missing = [int(p) for p in positions if int(p) not in self._evidence]
            if missing:
                for found in _support(self.session, self.scores, missing, k):
                    self._evidence[found.position] = found
            out = [self._evidence[int(p)] for p in positions]
            for p in positions:
                self._evidence.move_to_end(int(p))
            while len(self._evidence) > max(_KEPT, len(out)):
                self._evidence.popitem(last=False)
            return out

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
        train = self.session.project.dataset.train
        made = []
        for choice in choices:
            if choice.new_label is not None and choice.new_label not in self.classes:
                raise DataError(f"'{choice.new_label}' is not a class of this project.")
            position = choice.position
            label = int(train.labels[position])
            made.append(
                Decision(
                    int(train.keys[position]),
                    int(train.content_hashes[position]),
                    choice.verdict,
                    self.classes[label] if label >= 0 else None,
                    choice.new_label,
                    choice.note,
                )
            )
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
            wanted = self.classes[suggested[position]] if verdict == "accept" else new_label
            if given[position] < 0 or self.classes[given[position]] != wanted:
                out.append(Choice(position, "relabel", wanted, note))
        return out

    def undo(self, reviewer: str, action: str = "", of: str = "") -> list[int]:
        """Take back a step of this reviewer's.

        Args:
            reviewer: whose.
            action: id of the undoing itself; the same id twice undoes once.
            of: id of the step; the latest one that stands if empty.

        Returns:
            The positions of its rows; none if there is nothing to take back.
        """
        with self._lock:
            self.refresh()
            steps = self._state.steps(reviewer)
            last = of or next(reversed(steps), "")
            if last not in steps:
                return []
            before = self._state.extent.last
            self.reviews.undo(last, self._action(reviewer, [], action))
            keys = [e.decision.key for e in self.reviews.events(before) if e.undoes == last]
            self.refresh()
        found = self._positions(keys)
        return found[found >= 0].tolist()

    def undoable(self, reviewer: str) -> int:
        """How many steps of this reviewer can be taken back."""
        with self._lock:
            self.refresh()
            return len(self._state.steps(reviewer))

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

    def by_reviewer(self) -> dict[str, dict[int, str]]:
        """Per reviewer, the word about each row's key."""
        with self._lock:
            return self._state.by_reviewer()

    def refresh(self) -> bool:
        """Read what others have decided since; whether there was anything."""
        with self._lock:
            return self._state.catch_up(self.reviews)

    def outcomes(self) -> npt.NDArray[np.object_]:
        """What counts, per training row: a verdict, "disputed", or "" where nobody decided.

        A decision about a row whose content has changed since does not count.
        """
        out = np.full(len(self.scores), "", dtype=object)
        with self._lock:
            known = self._state.all_effective()
        keys = list(known)
        hashes = self.session.project.dataset.train.content_hashes
        for key, position in zip(keys, self._positions(keys), strict=True):
            word = known[key]
            if position >= 0 and int(hashes[position]) == word.event.decision.content_hash:
                out[position] = word.outcome
        return out

    def progress(self) -> DeskProgress:
        """How far reviewers are, in all and per given class."""
        outcomes = self.outcomes()
        decided = outcomes != ""
        flagged = self.scores["flagged"].to_numpy()
        wrong = np.isin(outcomes, ["relabel", "exclude"])
        given = self.scores["given"].to_numpy()
        counts = {
            "rows": given >= 0,
            "flagged": flagged,
            "decided": decided,
            "wrong": wrong,
        }
        by_class = pd.DataFrame({"class": self.classes})
        for name, mask in counts.items():
            here = given[mask & (given >= 0)]
            by_class[name] = np.bincount(here, minlength=len(self.classes))
        return DeskProgress(
            total=len(outcomes),
            flagged=int(flagged.sum()),
            flagged_decided=int((flagged & decided).sum()),
            decided=int(decided.sum()),
            disputed=int((outcomes == DISPUTED).sum()),
            wrong=int(wrong.sum()),
            by_class=by_class,
        )

    def advice(self) -> Advice:
        """How many wrong labels are probably left, from what counts so far."""
        outcomes = self.outcomes()
        return estimate_left(
            self.scores["p_given"].to_numpy().astype(np.float64),
            np.isin(outcomes, ["relabel", "exclude", "keep"]),
            np.isin(outcomes, ["relabel", "exclude"]),
            self.scores["suspicion_rank"].to_numpy(),
        )

    def _action(self, reviewer: str, decisions: Sequence[Decision], action: str) -> Action:
        return Action(
            reviewer,
            decisions,
            self.session.project.fingerprint,
            run=self.session.run.id,
            id=action or new_action(),
        )

    def _positions(self, keys: Sequence[int]) -> Positions:
        """Positions of keys in the training set, -1 for those that are not there any more."""
        wanted = np.array(keys, dtype=np.uint64)
        train = self.session.project.dataset.train
        here = np.isin(wanted, train.keys)
        out = np.full(len(wanted), -1, dtype=np.int64)
        out[here] = train.positions_of(wanted[here])
        return out

    def _masks(self, wanted: QueueFilter) -> dict[str, npt.NDArray[np.bool_]]:
        p = self.scores["p_given"].to_numpy()
        # Rows without a label have no probability of it; the full range must not hide them.
        inside = (p >= wanted.low) & (p <= wanted.high)
        whole = wanted.low <= 0.0 and wanted.high >= 1.0
        masks = {"range": inside | (np.isnan(p) & whole), "state": self._in_state(wanted.state)}
        for name in ("given", "suggested"):
            chosen = getattr(wanted, name)
            if chosen:
                if chosen not in self.classes:
                    raise DataError(f"'{chosen}' is not a class of this project.")
                masks[name] = self.scores[name].to_numpy() == self.classes.index(chosen)
        if wanted.flagged:
            masks["flagged"] = self.scores["flagged"].to_numpy()
        if wanted.text.strip():
            masks["text"] = self._with_text(wanted.text.strip())
        return masks

    def _in_state(self, state: str) -> npt.NDArray[np.bool_]:
        if state == "all":
            return np.ones(len(self.scores), bool)
        outcomes = self.outcomes()
        if state == "disputed":
            return np.asarray(outcomes == DISPUTED)
        decided = np.asarray((outcomes != "") & (outcomes != DISPUTED))
        return decided if state == "decided" else ~decided

    def _with_text(self, text: str) -> npt.NDArray[np.bool_]:
        train = self.session.project.dataset.train
        column = "text" if train.content_column == "text" else "id"
        found = pc.match_substring(train.table.column(column), text, ignore_case=True)
        return found.fill_null(False).to_numpy()


def open_desk(session: Session) -> Desk:
    """Open the desk of a run; label scores are computed at the first time.

    Raises:
        StoreError: the reviews' database cannot be opened.
    """
    scores = label_table(session).sort_values("position").reset_index(drop=True)
    order = np.argsort(scores["suspicion_rank"].to_numpy(), kind="stable").astype(np.int64)
    desk = Desk(session, scores, order, open_reviews(session.project))
    desk.refresh()
    return desk


def alternative_labels(
    session: Session, scores: pd.DataFrame, positions: Sequence[int]
) -> Positions:
    """The label that competes with the given one: the most probable other class, (n,)."""
    flipped = session.evidence.flipped[torch.as_tensor(list(positions))].clone()
    given = torch.from_numpy(scores["given"].to_numpy()[list(positions)].copy())
    known = given >= 0
    flipped[known, given[known].to(flipped.device)] = -1.0
    return flipped.argmax(1).cpu().numpy().astype(np.int64)


def _support(
    session: Session, scores: pd.DataFrame, positions: Sequence[int], k: int
) -> list[LabelEvidence]:
    """Two targets a row, toward either label; the helpful rows of each."""
    others = alternative_labels(session, scores, positions)
    given = scores["given"].to_numpy()[list(positions)].astype(np.int64)
    labels = np.where(given >= 0, given, others)
    x = session.features.rows(torch.as_tensor(list(positions)))
    both = torch.from_numpy(np.concatenate([labels, others]))
    name = session.project.settings.default_estimator or DEFAULT_ESTIMATOR
    query = session.prepared(name).query(session.targets(torch.cat([x, x]), both))
    ranking: Ranking = scan(query, len(session.evidence), k=k + 1)
    n = len(positions)
    return [
        LabelEvidence(
            int(position),
            int(others[i]),
            _without(ranking.helpful[i], position, k),
            _without(ranking.helpful[n + i], position, k),
        )
        for i, position in enumerate(positions)
    ]


def _without(top: Top, position: int, k: int) -> Top:
    """A row is no evidence for its own label."""
    keep = np.flatnonzero(top.positions != position)[:k]
    return Top(top.positions[keep], top.scores[keep], top.stderr[keep])
