"""One change to one row, and what else an export needs to be told: options and format.

`Edit` is the unit that reviews, cleansing and exports share: remove this row or give it another
label, with the reason, the score behind it, who decided and when. Workflow makes edits, every
format of `store.exports` applies them, and the manifest keeps them word for word.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from influence_core.data.dataset import Dataset
from influence_core.data.keys import HexKey
from influence_core.data.readers.packed import packing_of
from influence_core.disk.records import Stored
from influence_core.errors import DataError, MismatchError, StoreError

Action = Literal["remove", "relabel"]
ACTIONS: tuple[Action, ...] = ("remove", "relabel")


def _finite(value: float | None) -> float | None:
    """JSON knows no NaN and no infinity."""
    return None if value is None or not math.isfinite(value) else 0.0 + value


Score = Annotated[float | None, Stored(_finite, _finite)]


@dataclass(frozen=True)
class Edit:
    """A decision about one row of the source.

    Attributes:
        row: zero-based record number in the source file, as in `Split.rows`.
        key: the row's 64-bit key.
        id: the source's own id, for people.
        action: "remove" or "relabel".
        old_label: class name before, None if the row had none.
        new_label: class name afterwards; None for "remove".
        reason: a reviewer's decision, or the estimator's name.
        score: influence or label score behind the decision, None if there is none.
        stderr: its standard error, None if there is none.
        who: reviewer, or the program.
        when: UTC time, ISO 8601.
    """

    row: int
    key: HexKey
    id: str
    action: Action
    old_label: str | None
    new_label: str | None = None
    reason: str = ""
    score: Score = None
    stderr: Score = None
    who: str = ""
    when: str = ""


@dataclass(frozen=True)
class ExportOptions:
    """How to export.

    Attributes:
        spreadsheet_safe: put an apostrophe before text that a spreadsheet would run as a formula.
            Off by default, since it changes text; the manifest says so and reverting undoes it.
        keep_original: keep a copy of a Parquet or Hugging Face source beside the export, without
            which those formats cannot be reverted; costs as much disk as the source.
        copy_images: for image folders, copy the pictures into a tree of class folders.
        overwrite: replace an earlier export of the same name.
        from_project: write the project's own copy of the split's rows, not the source file; for
            when that is gone. Values are the same, quotes and line ends are ours.
        split: whose rows; what else its file holds stays as it is.
    """

    spreadsheet_safe: bool = False
    keep_original: bool = True
    copy_images: bool = False
    overwrite: bool = False
    from_project: bool = False
    split: str = "train"


def edits_by_row(dataset: Dataset, edits: Sequence[Edit], split: str = "train") -> dict[int, Edit]:
    """Edits of a split's rows by record of the source, in this order.

    Raises:
        MismatchError: a key or a row belongs to other data.
        StoreError: two edits meet in one row, a new label is no class, or an edit contradicts
            itself; names the row.
    """
    data, found = dataset.split(split), dict[int, Edit]()
    ordered = sorted(edits, key=lambda edit: edit.row)
    try:
        positions = data.positions_of(np.array([edit.key for edit in ordered], dtype=np.uint64))
    except DataError as error:
        raise MismatchError(f"A decision is about other data: {error}") from error
    for edit, row in zip(ordered, data.rows[positions].tolist(), strict=True):
        where = f"The decision on row {edit.row + 1} (id {edit.id!r})"
        if edit.row != row:
            raise MismatchError(f"{where} is about row {row + 1} of this data; decide again.")
        if edit.row in found:
            raise StoreError(
                f"Row {edit.row + 1} (id {edit.id!r}) has two decisions; keep one of them."
            )
        if edit.action not in ACTIONS or (edit.new_label is None) == (edit.action == "relabel"):
            raise StoreError(f"{where} is {edit.action!r} with the new label {edit.new_label!r}.")
        if edit.new_label is not None and edit.new_label not in dataset.classes:
            known = f"there are {list(dataset.classes[:20])}"
            raise StoreError(
                f"The new label {edit.new_label!r} of id {edit.id!r} is no class; {known}."
            )
        found[edit.row] = edit
    return found


def count_actions(edits: Sequence[Edit]) -> dict[str, int]:
    """How many rows each action touches."""
    return {action: sum(edit.action == action for edit in edits) for action in ACTIONS}


FORMATS = {
    "csv": "CSV",
    "fasttext": "fastText",
    "json": "JSON lines or records",
    "xlsx": "Excel workbook",
    "parquet": "Parquet",
    "arrow": "Arrow or Feather",
    "hf": "Hugging Face dataset folder",
    "folder": "Image folder",
}


OWN = {
    "folder": "image folders",
    "xlsx": "workbooks",
    "fasttext": "files of fastText",
}  # only such a source becomes one


def natural_format(dataset: Dataset, split: str = "train") -> str:
    """The format of a split's source; for data built by a program, the one that fits."""
    file = dataset.source.files.get(split)
    if file is None:
        return "csv" if dataset.modality == "text" else "parquet"
    return {"hub": "hf", "zip": "folder", "texts": "csv"}.get(file.kind, file.kind)


def usual_suffix(dataset: Dataset, form: str, split: str = "train") -> str:
    """How an export in this format is called: as the source if it is its own, "" for a folder."""
    file = dataset.source.files.get(split)
    if file is not None and not file.parts and file.kind == form and form not in ("hf", "folder"):
        path = Path(file.path)
        return Path(path.stem).suffix + path.suffix if packing_of(path) == "gz" else path.suffix
    usual = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet", "arrow": ".arrow"}
    return "" if file is not None and file.parts else usual.get(form, "")
