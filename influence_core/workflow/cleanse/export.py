"""The verb `export`: a cleansed split in its own format, with a manifest that undoes it.

Edits come from a cleansing (`edits_of`) and from reviewers' decisions (`decided`), which need none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from influence_core.cleansing.choose import Selection
from influence_core.cleansing.harm import Harm
from influence_core.cleansing.rounds import Round
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.exports.edits import Edit, ExportOptions
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import Manifest
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import (
    list_cleansings,
    load_cleansing,
    newest_cleansing,
)
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.session import Session

PROGRAM = "turnover"


def edits_of(
    session: Session,
    selection: Selection,
    reason: str,
    harm: Harm | None = None,
    *,
    who: str = PROGRAM,
) -> list[Edit]:
    """A selection of training rows as edits, each with its score and standard error."""
    train = session.project.dataset.train
    now = datetime.now(UTC).isoformat(timespec="seconds")
    edits = []
    for position in selection.touched.tolist():
        new = selection.relabelled.get(position)
        edits.append(
            Edit(
                row=int(train.rows[position]),
                key=int(train.keys[position]),
                id=train.ids[position],
                action="remove" if new is None else "relabel",
                old_label=_name(session, int(train.labels[position])),
                new_label=None if new is None else session.classes[new],
                reason=reason,
                score=None if harm is None else _finite(harm.score[position]),
                stderr=None if harm is None else _finite(harm.stderr[position]),
                who=who,
                when=now,
            )
        )
    return edits


def edits_of_round(session: Session, state: Round, reason: str) -> list[Edit]:
    """What rounds removed, each row with its score at the time when it went."""
    rows = len(session.evidence)
    score = np.full(rows, np.nan, dtype=np.float32)
    error = np.full(rows, np.nan, dtype=np.float32)
    score[state.removed], error[state.removed] = state.scores, state.stderr
    return edits_of(session, Selection(state.removed), reason, Harm(score, error))


@dataclass(frozen=True)
class ToExport:
    """Edits, the run that they rest on ("" if none), and where they come from, in a sentence."""

    edits: tuple[Edit, ...]
    run: str
    said: str


def edits_to_export(
    project: Project,
    cleansing: str | None,
    number: int | None,
    *,
    decisions: bool,
    split: str = "train",
) -> ToExport:
    """What an export writes: a cleansing's edits, or what reviewers decided where there is none.

    Args:
        project: whose.
        cleansing: id of one; None for the newest.
        number: round of it; None for the best.
        decisions: leave cleansings out, even if there are some.
        split: whose rows; cleansings are of training rows only.

    Raises:
        DataError, StoreError, MismatchError: there is no such cleansing, or no such round.
    """
    asked = cleansing is not None or number is not None
    if decisions and asked:
        raise DataError("--decisions exports no cleansing; leave --cleansing and --round out.")
    if asked and split != "train":
        raise DataError(
            f"A cleansing is of training rows; export split '{split}' without --cleansing and "
            "--round: it gets what reviewers decided."
        )
    decided, _ = decided_edits(project, split)
    if decisions or split != "train" or not (asked or list_cleansings(project)):
        what = f"{len(decided):,} decided rows" if decided else "No decision changes a row"
        return ToExport(decided, "", f"{what}; without a cleansing.")
    name = cleansing or newest_cleansing(project)
    found = load_cleansing(project, name)
    edits = found.edits(number)
    known = {(edit.key, edit.new_label) for edit in edits}
    missing = sum((edit.key, edit.new_label) not in known for edit in decided)
    more = (
        f"; {missing:,} decided rows are not in it: cleanse again with --decisions, or export "
        "these alone with --decisions"
    ) * bool(missing)
    return ToExport(edits, found.run, f"Cleansing {name}{more}.")


def export_project(
    project: Project,
    edits: Sequence[Edit],
    out: Path,
    form: str | None = None,
    options: ExportOptions | None = None,
    run: str = "",
    *,
    progress: ProgressFn | None = None,
) -> Manifest:
    """Write a split's rows with these edits; see `store.exports.export` for the errors."""
    return export(project.dataset, edits, out, form, options, run=run, progress=progress)


def _name(session: Session, label: int) -> str | None:
    return session.classes[label] if label >= 0 else None


def _finite(value: npt.NDArray[np.float32] | float) -> float | None:
    number = float(value)
    return number if np.isfinite(number) else None
