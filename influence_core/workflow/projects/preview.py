"""A look at data of the user's own before a project is made of it; the wizard's questions.

`first_look` reads the first rows and guesses the columns, `inspect_source` reads everything and
says what is wrong with it. Both write nothing. What they return is plain and safe to draw as data:
texts are cut, pictures are small and encoded again.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from influence_core.data.checks.finding import Finding
from influence_core.data.columns import ColumnRoles
from influence_core.data.dataset import NO_LABEL, Dataset, Modality, Split
from influence_core.data.images import thumbnail
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import READERS, preview_source, read_source
from influence_core.data.readers.text.encodings import first_lines
from influence_core.errors import DataError
from influence_core.models.tokens import OWN
from influence_core.progress import ProgressFn
from influence_core.workflow.costs.work import encode_work
from influence_core.workflow.projects.account import Account, account_of
from influence_core.workflow.projects.findings import findings_of

ROWS_SHOWN = 8
TEXT_SHOWN = 160  # characters of a cell
THUMB = 96  # pixels
MOST_DECODED = 3_000  # pictures that are checked here; creating the project checks all of them
EXAMPLES = 5


@dataclass(frozen=True)
class FirstLook:
    """What the first rows tell.

    Attributes:
        kind: name of the reader, and `title` what it reads, for people.
        columns: of the source, in order.
        head: the first rows; every value a text, cut to `TEXT_SHOWN`.
        roles: which column seems to be what, or None.
        problem: why that cannot be told, "" if it can.
    """

    kind: str
    title: str
    columns: tuple[str, ...]
    head: pd.DataFrame
    roles: ColumnRoles | None
    problem: str


@dataclass(frozen=True)
class Problem:
    """A finding with a few of its rows.

    Attributes:
        severity: "error", "warning" or "note".
        what: one sentence, and `advice` what to do.
        examples: up to five rows: row (from 1), label, and the content or the picture's name.
    """

    severity: str
    what: str
    advice: str
    examples: pd.DataFrame


@dataclass(frozen=True)
class Inspection:
    """What is in the source.

    Attributes:
        modality: "image" or "text".
        rows: number of rows by split of the source.
        balance: one line a class: its name, then its rows in each split.
        problems: worst first.
        thumbnails: the first pictures as WebP with their class names; empty for sentences.
        account: what was chosen, read, kept and left out.
        work: how much there is to encode, as `costs.work` counts it.
    """

    modality: Modality
    rows: Mapping[str, int]
    balance: pd.DataFrame
    problems: tuple[Problem, ...]
    thumbnails: tuple[tuple[bytes, str], ...]
    account: Account
    work: float = 0.0

    @property
    def usable(self) -> bool:
        """Whether it can be trained on."""
        return all(problem.severity != "error" for problem in self.problems)

    @property
    def missing_splits(self) -> tuple[str, ...]:
        """Of "valid" and "test", those that have to be cut off the training rows."""
        return tuple(name for name in ("valid", "test") if name not in self.rows)


def lines_as_read(source: str, encoding: str) -> list[str]:
    """The first lines of a text that an encoding matters for, as it reads them; cut.

    Raises:
        DataError: there is no such encoding, or the file cannot be read.
    """
    return [_cell(line) for line in first_lines(Path(source), encoding)]


def first_look(
    source: str, options: ReadOptions | None = None, rows: int = ROWS_SHOWN
) -> FirstLook:
    """Look at the first `rows`.

    Raises:
        DataError: the source cannot be read at all.
    """
    found = preview_source(source, options)
    head = found.rows.head(rows)
    # Pictures are shown as such once the columns are known; their sizes would tell nothing.
    columns = [name for name in head.columns if not _all_bytes(head[name])]
    shown = {str(name): [_cell(value) for value in head[name]] for name in columns}
    return FirstLook(
        found.kind,
        READERS[found.kind].title,
        found.columns,
        pd.DataFrame(shown),
        found.roles,
        found.problem,
    )


def inspect_source(
    source: str,
    options: ReadOptions,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Inspection:
    """Read the whole source and look for everything that is worth knowing.

    Args:
        source: path or hub name.
        options: as the import takes them; nothing is cut off, and bad rows are kept to be shown
            unless they are to be dropped.
        progress: hears how far reading is.
        cancel: stops it.

    Raises:
        DataError: it cannot be used with these columns; one sentence that names the line.
    """
    dataset = read_source(source, to_look_at(options), progress=progress, cancel=cancel)
    few = sum(len(split) for split in dataset) <= MOST_DECODED
    encoder = None if options.features is None else OWN
    findings = findings_of(dataset, encoder, images=few, progress=progress, cancel=cancel)
    rows = {split.name: len(split) for split in dataset}
    return Inspection(
        modality=dataset.modality,
        rows=rows,
        balance=_balance(dataset),
        problems=tuple(_problem(dataset, f) for f in findings if not _is_about_splits(f, dataset)),
        thumbnails=_thumbnails(dataset) if dataset.modality == "image" else (),
        account=account_of(dataset.source, rows),
        work=sum(map(encode_work, dataset)),
    )


def to_look_at(options: ReadOptions) -> ReadOptions:
    """The same with nothing cut off, and bad rows kept to be told unless they are dropped."""
    bad_rows: Any = "drop" if options.bad_rows == "drop" else "keep"
    return replace(options, bad_rows=bad_rows, valid_share=0.0, test_share=0.0)


def _is_about_splits(finding: Finding, dataset: Dataset) -> bool:
    """Missing splits are no fault of the data; the wizard offers to cut some."""
    return finding.split not in dataset.splits


def _problem(dataset: Dataset, finding: Finding) -> Problem:
    split = dataset.splits[finding.split]
    rows = finding.rows[:EXAMPLES]
    examples = pd.DataFrame(
        {
            "row": [int(row) + 1 for row in rows],
            "label": [_label(dataset, split, int(row)) for row in rows],
            split.content_column: [_content(split, int(row)) for row in rows],
        }
    )
    return Problem(finding.severity, finding.what, finding.advice, examples)


def _label(dataset: Dataset, split: Split, row: int) -> str:
    number = int(split.labels[row])
    return "" if number == NO_LABEL else dataset.classes[number]


def _content(split: Split, row: int) -> str:
    if split.content_column == "text":
        return _cell(split.texts(np.array([row]))[0])
    return _cell(split.ids[row])


def _balance(dataset: Dataset) -> pd.DataFrame:
    table = pd.DataFrame({"class": list(dataset.classes)})
    for split in dataset:
        known = split.labels[split.labels != NO_LABEL]
        table[split.name] = np.bincount(known, minlength=len(dataset.classes))
    return table


def _thumbnails(dataset: Dataset) -> tuple[tuple[bytes, str], ...]:
    """One of each class before a second of any."""
    made = []
    labels = pd.Series(dataset.train.labels)
    in_turn = labels.groupby(labels).cumcount().sort_values(kind="stable")
    for row in in_turn.index[:ROWS_SHOWN]:
        with suppress(DataError):  # among the findings already
            small = thumbnail(dataset.train.image_bytes(row), THUMB)
            made.append((small, _label(dataset, dataset.train, row)))
    return tuple(made)


def _all_bytes(values: pd.Series) -> bool:
    return len(values) > 0 and all(isinstance(value, bytes) for value in values)


def _cell(value: Any) -> str:
    """Any value of a source as a short text."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, Mapping) and value.keys() == {"bytes", "path"}:  # a picture
        value = PurePath(str(value["path"] or "")).name or value["bytes"]
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    try:
        text = str(value)
    except (ValueError, NotImplementedError, OverflowError):
        return "(cannot be shown)"  # a time outside of the calendar
    return text if len(text) <= TEXT_SHOWN else text[: TEXT_SHOWN - 1] + "…"
