"""What agents propose and nobody has answered: as a table, and as a file of decisions.

The file is what who accepts it would say: signed by nobody yet, the proposer in the note. So what
is left of it after a look can be given to `turnover decide`.
"""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd

from influence_core.data.dataset import Split
from influence_core.data.keys import to_hex
from influence_core.disk.atomic import write_bytes
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Event
from influence_core.store.reviews.proposals import ProposalStore, accepted
from influence_core.store.reviews.store import has_reviews, open_reviews
from influence_core.workflow.exchange.formats import Row, write_safe_csv
from influence_core.workflow.exchange.import_decisions import find_format

FORMS = ("csv", "jsonl")  # labelling tools have no place for a word without an author


def proposals(project: Project) -> pd.DataFrame:
    """The latest about each row: key (uint64), id, given, verdict, new_label, by, note, time."""
    train = project.dataset.train
    lines = [
        (e.decision.key, train.ids[p], e.decision.old_label, e.decision.verdict,
         e.decision.new_label, e.reviewer, e.decision.note, e.time)
        for p, e in _latest(project).items()
    ]  # fmt: skip
    columns = ["key", "id", "given", "verdict", "new_label", "by", "note", "time"]
    return pd.DataFrame(lines, columns=columns).astype({"key": "uint64"})


def export_proposals(
    project: Project, path: Path, form: str = "csv", *, spreadsheet_safe: bool = False
) -> int:
    """Write them in the order of the data; how many.

    Raises:
        DataError: the format is a labelling tool's, or one that cannot be made safe.
        StoreError: the file cannot be written; an earlier one stays as it was.
    """
    if form not in FORMS:
        raise DataError(f"Proposals are written as {' or '.join(FORMS)}, not as '{form}'.")
    if spreadsheet_safe and form != "csv":
        raise DataError(f"Only a CSV can be made safe for spreadsheets, and this is '{form}'.")
    train, classes = project.dataset.train, project.dataset.classes
    rows = [_row(train, p, event) for p, event in _latest(project).items()]
    write = write_safe_csv if spreadsheet_safe else find_format(form).write
    write_bytes(path, write(rows, classes))
    return len(rows)


def _row(train: Split, position: int, event: Event) -> Row:
    signed = replace(event, decision=accepted(event), reviewer="")
    given = event.decision.old_label or ""
    key = to_hex(train.keys[position])
    return Row(key, train.ids[position], given, None, None, "", 0.0, (signed,))


def _latest(project: Project) -> dict[int, Event]:
    if not has_reviews(project):
        return {}
    dataset = project.dataset
    with closing(open_reviews(project)) as store:
        waiting = ProposalStore(store).waiting_for(dataset.train, dataset.classes)
    return {position: events[-1] for position, events in waiting.items()}
