"""Decisions from files: every line is checked before anything is written.

`read_decisions` says for each line of a file which row it is about, or why it cannot be used;
`apply_decisions` writes what is good, one step per reviewer. No run is needed for any of it.
`export_rows` writes such files; the command line and the Labels page call both.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from influence_core.data.keys import from_hex, to_hex
from influence_core.data.options import ReadOptions
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.reviews.events import (
    MAX_NAME,
    MAX_NOTE,
    VERDICTS,
    Action,
    Decision,
)
from influence_core.store.reviews.proposals import ProposalStore
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import TRAIN, open_reviews
from influence_core.workflow.exchange import argilla as exchange_argilla
from influence_core.workflow.exchange import label_studio as exchange_label_studio
from influence_core.workflow.exchange.formats import (
    DecisionFormat,
    Line,
    read_csv,
    read_jsonl,
    write_csv,
    write_jsonl,
)
from influence_core.workflow.exchange.spoiled import SPOILED_KEY, meant

FORMATS: dict[str, DecisionFormat] = {
    "csv": DecisionFormat("CSV", ".csv", write_csv, read_csv),
    "jsonl": DecisionFormat("JSON lines", ".jsonl", write_jsonl, read_jsonl),
    "label-studio": DecisionFormat(
        "Label Studio",
        ".json",
        exchange_label_studio.write,
        exchange_label_studio.read,
        scored=True,
        settings=exchange_label_studio.labelling_config,
        settings_suffix=".xml",
    ),
    "argilla": DecisionFormat(
        "Argilla",
        ".json",
        exchange_argilla.write,
        exchange_argilla.read,
        scored=True,
        settings=exchange_argilla.settings,
        settings_suffix=".py",
    ),
}
_MOST_SHOWN = 20


@dataclass(frozen=True)
class Decisions:
    """What a file says.

    Attributes:
        split: whose rows they are about.
        by_reviewer: good decisions, "" where the file names nobody, in the order of the file.
        problems: one sentence a line that cannot be used, with its place.
        notes: one sentence a line that is used in spite of what happened to it.
    """

    by_reviewer: Mapping[str, Sequence[Decision]]
    problems: Sequence[str]
    notes: Sequence[str] = ()
    split: str = "train"

    def __len__(self) -> int:
        """How many decisions are good."""
        return sum(map(len, self.by_reviewer.values()))


def find_format(name: str) -> DecisionFormat:
    """A format by name.

    Raises:
        DataError: there is none.
    """
    if name not in FORMATS:
        raise DataError(f"'{name}' is not a format for decisions; there are {', '.join(FORMATS)}.")
    return FORMATS[name]


def read_decisions(
    project: Project,
    path: Path,
    form: str = "csv",
    options: ReadOptions | None = None,
    split: str = "train",
) -> Decisions:
    """Read a file and check every line against the rows of a split; nothing is written.

    Args:
        project: whose rows.
        path: the file.
        form: a name in `FORMATS`.
        options: how a CSV is written, `encoding` and `quoting`; found out if None.
        split: whose rows the file is about.

    Raises:
        DataError: the file cannot be read at all, or holds no decision, or there is no such split.
    """
    lines = find_format(form).read(path, options or ReadOptions())
    if not lines:
        raise DataError(f"{path.name} holds no decision; check that it is the right file.")
    rows = _Rows(project, split)
    good: dict[str, list[Decision]] = {}
    seen: dict[tuple[str, int], tuple[str, Decision]] = {}
    problems = []
    for line in lines:
        try:
            decision = rows.decision(line)
            earlier = seen.get((line.reviewer, decision.key))
            if earlier:
                raise DataError(_twice(decision, *earlier))
        except DataError as error:
            problems.append(f"{line.place}: {error}")
            continue
        seen[line.reviewer, decision.key] = line.place, decision
        good.setdefault(line.reviewer, []).append(decision)
    return Decisions(good, problems, rows.notes, split)


def _twice(decision: Decision, place: str, earlier: Decision) -> str:
    """Why a second decision about a row is refused."""
    said, says = (d.new_label or d.verdict for d in (earlier, decision))
    if said == says:
        return f"the row was decided on {place} already; keep one of the two."
    return f"the row is '{says}' here and '{said}' on {place}; keep one of the two."


def apply_decisions(
    project: Project,
    decisions: Decisions,
    reviewer: str,
    *,
    run_id: str = "",
    skip_bad: bool = False,
    propose: bool = False,
) -> int:
    """Write them, one step per reviewer; returns how many were new.

    What a reviewer says already is not written again, so applying a file twice, or once more after
    it was cut short, does no harm.

    Args:
        project: whose reviews.
        decisions: from `read_decisions`.
        reviewer: who decides where the file names nobody.
        run_id: the run whose scores the decisions rest on, "" if none.
        skip_bad: leave bad lines out; otherwise one bad line keeps all from being written.
        propose: they wait for somebody to accept them, and count for nothing before.

    Raises:
        DataError: there are bad lines; names them, or proposals are about another split than the
            training rows. StoreError: the database cannot be written.
    """
    if decisions.problems and not skip_bad:
        raise DataError(_refusal(decisions.problems))
    if propose and decisions.split != TRAIN:
        raise DataError("Only decisions on training rows can be proposed; leave --split out.")
    by_name: dict[str, dict[int, Decision]] = {}
    for who, made in decisions.by_reviewer.items():
        merged = by_name.setdefault(who or reviewer, {})
        for decision in made:
            if merged.setdefault(decision.key, decision) != decision:
                raise DataError(
                    f"Row {to_hex(decision.key)} has two decisions, one without a reviewer and one "
                    f"of '{who or reviewer}'; keep one of them. None was applied."
                )
    # All actions are made, so checked, before the first is written.
    with closing(open_reviews(project, decisions.split)) as store:
        state = ReviewState()
        state.catch_up(store)
        actions = [
            Action(who, _new(state, who, made.values()), project.fingerprint, run=run_id)
            for who, made in by_name.items()
        ]
        write = ProposalStore(store).propose if propose else store.append
        return sum(write(action) for action in actions)


def _new(state: ReviewState, who: str, made: Iterable[Decision]) -> list[Decision]:
    def known(decision: Decision) -> bool:
        earlier = state.words(decision.key).get(who)
        return earlier is not None and earlier.decision == decision

    return [decision for decision in made if not known(decision)]


def _refusal(problems: Sequence[str]) -> str:
    shown = "\n".join(problems[:_MOST_SHOWN])
    more = len(problems) - _MOST_SHOWN
    tail = f"\n… and {more:,} more" if more > 0 else ""
    return (
        f"{len(problems):,} lines cannot be used, so none of the file was applied; fix them, or "
        f"leave them out with --skip-bad:\n{shown}{tail}"
    )


class _Rows:
    """Finds the row that a line means, and what the line decides about it."""

    def __init__(self, project: Project, split: str) -> None:
        self._data = project.dataset.split(split)
        self._kind = "training row" if split == "train" else f"row of split '{split}'"
        self._classes = project.dataset.classes
        self.notes: list[str] = []
        self._ids: dict[str, int | None] = {}
        for i, name in enumerate(self._data.ids):
            self._ids[name] = None if name in self._ids else i  # None: not unique

    def decision(self, line: Line) -> Decision:
        """The decision; raises DataError with what is wrong."""
        if line.problem:
            raise DataError(f"{line.problem}.")
        position = self._position(line)
        content = int(self._data.content_hashes[position])
        if line.content and line.content.zfill(16) != to_hex(content):
            raise DataError("the row's content has changed since the decision.")
        number = int(self._data.labels[position])
        given = self._classes[number] if number >= 0 else None
        verdict, label = self._verdict(line, given)
        if len(line.reviewer) > MAX_NAME or len(line.note) > MAX_NOTE:
            raise DataError(
                f"a note may have {MAX_NOTE:,} characters, a reviewer's name {MAX_NAME}."
            )
        key = int(self._data.keys[position])
        return Decision(key, content, verdict, given, label, line.note)

    def _position(self, line: Line) -> int:
        by_id = self._ids.get(line.id) if line.id else None
        if line.key:
            found = self._by_key(line, by_id)
            if by_id is not None and by_id != found:
                raise DataError(f"the key '{line.key}' and the id '{line.id}' are different rows.")
            return found
        if not line.id:
            raise DataError("neither a key nor an id says which row is meant.")
        if line.id not in self._ids:
            raise DataError(f"no {self._kind} has the id '{line.id}'{meant(line.id, self._ids)}.")
        if by_id is None:
            raise DataError(f"several rows have the id '{line.id}'; give the key.")
        return by_id

    def _by_key(self, line: Line, by_id: int | None) -> int:
        try:
            return self._data.position(from_hex(line.key))
        except DataError as error:
            if not SPOILED_KEY.fullmatch(line.key):
                raise DataError(f"no {self._kind} has the key '{line.key}'.") from error
            if by_id is None:
                raise DataError(
                    f"a spreadsheet has made a number of the key, '{line.key}', which cannot be "
                    "undone; give the id, or open the file with this column as text."
                ) from error
        self.notes.append(
            f"{line.place}: a spreadsheet has made a number of the key, '{line.key}'; the row of "
            f"the id '{line.id}' is taken."
        )
        return by_id

    def _verdict(self, line: Line, given: str | None) -> tuple[str, str | None]:
        verdict, label = line.verdict, line.label or None
        if label is not None and label not in self._classes and label.strip() in self._classes:
            label = label.strip()
        if verdict == "label":  # a tool that only tells the right label
            if label is None:
                raise DataError("no label was chosen.")
            verdict, label = ("keep", None) if label == given else ("relabel", label)
        if verdict not in VERDICTS:
            raise DataError(f"'{verdict}' is not a verdict; there are {', '.join(VERDICTS)}.")
        if verdict != "relabel":
            return verdict, None
        if label is None:
            raise DataError("the verdict 'relabel' needs a new label.")
        if label not in self._classes:
            raise DataError(
                f"'{label}' is not a class of this project{meant(label, self._classes)}; there are "
                f"{', '.join(self._classes)}."
            )
        if label == given:
            raise DataError(f"the row is labelled '{label}' already; say 'keep'.")
        return verdict, label
