"""Cleansings that a project keeps: `cleansings/<id>.json`, what would change and why.

Written by `turnover cleanse` (on the command line or as a job of the Cleanse page), read by trials,
reports and exports. A file is written in one step and never changed; the newest is the default.
What is measured about one later lies in `cleansings/<id>/` (`workflow.cleanse.trials`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from influence_core.cleansing.rounds import Round, best_round
from influence_core.data.keys import HexKey
from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.names import check_name, id_after
from influence_core.disk.records import build, plain
from influence_core.errors import DataError, MismatchError, StoreError
from influence_core.store.exports.edits import Edit
from influence_core.store.project import Project
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.session import Session

FOLDER = "cleansings"


@dataclass(frozen=True)
class RoundSummary:
    """What a round looked like: rows removed before it, and both parts of the target split."""

    number: int
    removed: int
    choosing_accuracy: float
    watching_accuracy: float
    watching_loss: float


@dataclass(frozen=True)
class Cleansing:
    """What was asked and what came out of it.

    Attributes:
        target, estimator, by: the question.
        computed: every edit that scores chose, in the order of removal.
        decided: edits that reviewers decided; they go whatever round is taken.
        kept: keys that reviewers said are right; no score removes them.
        rounds: every state, () for one shot.
        taken: number of the round that counts; the one with the least loss on the watching part.
        run: id of the run that was asked.
    """

    target: TargetSplit
    estimator: str
    by: str
    computed: tuple[Edit, ...] = ()
    decided: tuple[Edit, ...] = ()
    kept: frozenset[HexKey] = frozenset()
    rounds: tuple[RoundSummary, ...] = ()
    taken: int | None = None
    run: str = ""

    def edits(self, number: int | None = None) -> tuple[Edit, ...]:
        """What would change in a state: scores' edits, then reviewers', who take precedence.

        Args:
            number: of the round; None for the one that is taken.

        Raises:
            DataError: there is no such round.
        """
        return self.first(self._reach(number))

    def first(self, count: int) -> tuple[Edit, ...]:
        """The same with the first `count` rows that scores chose."""
        settled = {edit.key for edit in self.decided} | self.kept
        computed = (edit for edit in self.computed[:count] if edit.key not in settled)
        return (*computed, *self.decided)

    def _reach(self, number: int | None) -> int:
        if not self.rounds:
            if number is not None:
                raise DataError("This cleansing was one shot; it has no rounds to step back to.")
            return len(self.computed)
        wanted = self.taken if number is None else number
        for state in self.rounds:
            if state.number == wanted:
                return state.removed
        raise DataError(
            f"This cleansing has the rounds 0 to {self.rounds[-1].number}, and no {wanted}."
        )


def summaries(states: Sequence[Round]) -> tuple[tuple[RoundSummary, ...], int]:
    """All rounds in short, and the number of the best."""
    short = tuple(
        RoundSummary(
            s.number,
            len(s.removed),
            s.measured.choosing_accuracy,
            s.measured.watching_accuracy,
            s.measured.watching_loss,
        )
        for s in states
    )
    return short, best_round(list(states)).number


def save_cleansing(session: Session, found: Cleansing) -> str:
    """Keep it with the project; returns its id."""
    name = id_after(list_cleansings(session.project))
    about = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "fingerprint": session.project.fingerprint,
    }
    record = {**about, **plain(replace(found, run=session.run.id))}
    write_json(session.project.root / FOLDER / f"{name}.json", stamped("cleansing", record))
    return name


def list_cleansings(project: Project) -> list[str]:
    """Ids of the kept cleansings, newest first."""
    return sorted((path.stem for path in (project.root / FOLDER).glob("*.json")), reverse=True)


def results_folder(project: Project, name: str) -> Path:
    """Where what was measured about a cleansing lies."""
    return project.root / FOLDER / check_name(name, "cleansing")


def newest_cleansing(project: Project) -> str:
    """Id of the newest one.

    Raises:
        StoreError: there is none.
    """
    names = list_cleansings(project)
    if not names:
        raise StoreError(
            f"Project '{project.name}' has no cleansing yet; make one with: "
            f"turnover cleanse {project.root.name}"
        )
    return names[0]


def load_cleansing(project: Project, name: str | None = None) -> Cleansing:
    """A kept cleansing, the newest by default.

    Raises:
        StoreError: there is none, or the file is damaged.
        MismatchError: it belongs to other data.
    """
    name = name or newest_cleansing(project)
    path = project.root / FOLDER / f"{check_name(name, 'cleansing')}.json"
    if not path.is_file():
        raise StoreError(f"Project '{project.name}' has no cleansing '{name}'.")
    value = upgraded("cleansing", read_json(path), path)
    if value.get("fingerprint") != project.fingerprint:
        raise MismatchError(f"Cleansing '{name}' belongs to other data; cleanse again.")
    return build(Cleansing, value, path, "cleanse again")
