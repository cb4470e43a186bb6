"""Decisions to files, ours and those of labelling tools; undecided rows can go along.

Every reviewer's decisions are exported, also those about rows that have changed or vanished since.
`import_decisions` reads files back; the command line and the Labels page call both.
"""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.data.dataset import Split
from influence_core.data.keys import to_hex
from influence_core.disk.atomic import write_bytes, write_text
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Event
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.exchange.formats import Row, write_safe_csv
from influence_core.workflow.exchange.import_decisions import find_format
from influence_core.workflow.exchange.standing import standing_decisions

ByKey = dict[int, list[Event]]


def export_decisions(
    project: Project,
    path: Path,
    form: str = "csv",
    *,
    scores: pd.DataFrame | None = None,
    undecided: int = 0,
    spreadsheet_safe: bool = False,
    split: str = "train",
) -> int:
    """Write all decisions of all reviewers; returns how many rows the file is about.

    For a tool that must be told what to expect, a file beside it says so: its name and `.xml` for
    the labelling configuration of Label Studio, `.py` for the settings of Argilla.

    Args:
        project: whose reviews.
        path: where to; an existing file is replaced.
        form: a name in `import_decisions.FORMATS`.
        scores: the label table of a run; suggestions and the order of the queue come from it.
        undecided: so many undecided rows go along, the most suspicious first, to be labelled there.
        spreadsheet_safe: put an apostrophe before what a spreadsheet would run as a formula.
        split: whose rows; scores are of training rows only.

    Raises:
        DataError: undecided rows without scores, or another format made safe than CSV.
        StoreError: the file cannot be written; an earlier one stays as it was.
    """
    format_ = find_format(form)
    if undecided and scores is None:
        raise DataError("Label scores say which undecided rows to export; train a run first.")
    if spreadsheet_safe and form != "csv":
        raise DataError(f"Only a CSV can be made safe for spreadsheets, and this is '{form}'.")
    rows = decided_rows(project, scores, undecided, split)
    classes = project.dataset.classes
    write = write_safe_csv if spreadsheet_safe else format_.write
    write_bytes(path, write(rows, classes))
    if format_.settings is not None:
        beside = path.with_name(path.name + format_.settings_suffix)
        write_text(beside, format_.settings(rows, classes))
    return len(rows)


def decided_rows(
    project: Project,
    scores: pd.DataFrame | None = None,
    undecided: int = 0,
    split: str = "train",
) -> list[Row]:
    """Decided rows, then vanished ones, then undecided ones.

    With scores in the order of the queue, else in the data set's.
    """
    data = project.dataset.split(split)
    by_key: ByKey = {}
    with closing(open_reviews(project, split)) as store:
        for event in standing_decisions(store):
            by_key.setdefault(event.decision.key, []).append(event)
    order = _order(len(data), scores)
    decided = np.isin(data.keys, np.array(list(by_key), dtype=np.uint64))[order]
    chosen = [*order[decided], *order[~decided][:undecided]]
    suggested = _Suggested(project.dataset.classes, scores)
    rows = [_row(project, data, position, by_key, suggested) for position in map(int, chosen)]
    here = set(data.keys.tolist())
    gone = [_gone(key, events) for key, events in by_key.items() if key not in here]
    count = int(decided.sum())
    return [*rows[:count], *gone, *rows[count:]]


class _Suggested:
    """The suggested label by position."""

    def __init__(self, classes: Sequence[str], scores: pd.DataFrame | None) -> None:
        self._classes = classes
        self._by_position: dict[int, tuple[int, float]] = {}
        if scores is not None:
            columns = (scores[name].tolist() for name in ("position", "suggested", "p_suggested"))
            self._by_position = {at: (label, p) for at, label, p in zip(*columns, strict=True)}

    def at(self, position: int) -> tuple[str, float]:
        """Class name and probability; "" and 0 without scores."""
        if position not in self._by_position:
            return "", 0.0
        label, probability = self._by_position[position]
        return (self._classes[label], probability) if label >= 0 else ("", 0.0)


def _order(rows: int, scores: pd.DataFrame | None) -> npt.NDArray[np.int64]:
    if scores is None:
        return np.arange(rows, dtype=np.int64)
    ranked = scores.sort_values("suspicion_rank", kind="stable")["position"]
    return ranked.to_numpy().astype(np.int64)


def _row(project: Project, data: Split, position: int, by_key: ByKey, suggested: _Suggested) -> Row:
    text = data.content_column == "text"
    label = int(data.labels[position])
    name, probability = suggested.at(position)
    return Row(
        key=to_hex(data.keys[position]),
        id=data.ids[position],
        given=project.dataset.classes[label] if label >= 0 else "",
        text=data.texts([position])[0] if text else None,
        picture=None if text else data.image_bytes(position),
        suggested=name,
        p_suggested=probability,
        decided=tuple(by_key.get(int(data.keys[position]), ())),
    )


def _gone(key: int, events: list[Event]) -> Row:
    """A row that is not in the data any more, as far as the decision remembers it."""
    given = events[0].decision.old_label or ""
    return Row(to_hex(key), "", given, None, None, "", 0.0, tuple(events))
