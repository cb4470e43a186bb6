"""One source table, row by row: labels as text, contents hashed, bad rows named.

A reader hands over a `RawTable`, exactly as the source has it; `prepare` turns it into the columns
of `data.build` and a list of what is wrong with which row. `data.assemble` decides what to do
about those.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from influence_core.data.budget import (
    refuse_columns,
    refuse_growing_table,
    refuse_nesting,
    short_list,
)
from influence_core.data.build import extra_names
from influence_core.data.columns import ColumnRoles
from influence_core.data.content import is_text, with_joined
from influence_core.data.dataset import Split
from influence_core.data.images import PixelBudget, from_base64, image_problem, present_path
from influence_core.data.keys import Keys, content_hashes
from influence_core.data.labelling.texts import blank, label_texts
from influence_core.data.source import LeftOut as LeftOut  # noqa: PLC0414  (for readers)
from influence_core.data.source import SourceFile
from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn, check_cancel

REPORT_EVERY = 500


@dataclass(frozen=True)
class RawTable:
    """Rows as a reader found them.

    Attributes:
        split: name that the source gives them, or None.
        table: the source's columns.
        file: where they come from.
        place: names a row for people: "line 17 of reviews.csv".
        rows: (N,) record number of each row in the file, from 0.
        classes: class names if the source declares them for integer labels.
        image_root: folder that paths of images are relative to.
        left_out: records that the reader could not take, by reason.
        told: what it found out by itself, in sentences for people.

    Raises:
        DataError: the columns cannot be told apart by their names, or would unfold to too much.
    """

    split: str | None
    table: pa.Table
    file: SourceFile
    place: Callable[[int], str]
    rows: npt.NDArray[np.int64]
    classes: tuple[str, ...] | None = None
    image_root: Path | None = None
    left_out: tuple[LeftOut, ...] = ()
    told: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_columns(self.table.column_names, self.name)
        refuse_nesting(self.table.schema, self.name)
        refuse_growing_table(self.table, self.name)

    @property
    def name(self) -> str:
        """Of the file or folder, for messages; of a workbook with its sheet."""
        name = Path(self.file.path).name
        return f"{name} (sheet {self.file.sheet!r})" if self.file.sheet else name


class Problem(NamedTuple):
    """What is wrong with a row: "has no label in column 'mood'"; `detail` goes on from there."""

    what: str
    detail: str = ""


def without_label(column: str) -> Problem:
    """What is wrong with a row whose label is missing."""
    return Problem(f"has no label in column {column!r}")


@dataclass(frozen=True)
class PreparedTable:
    """Rows in the columns of `data.build`, with labels still as text.

    Attributes:
        table: columns `row`, `content_hash`, the content, the extras; `id` if there is one.
        labels: (N,) label texts, null where missing.
        split_values: (N,) splits by the split column, null where it names none; or None.
        problems: what is wrong, by position.
        meant: rows that are left out on purpose, whatever is done about bad ones, and why.
        unlabelled: positions by split of those that no row of has a label: kept for prediction.
    """

    raw: RawTable
    table: pa.Table
    labels: pa.ChunkedArray
    split_values: pa.ChunkedArray | None
    problems: dict[int, Problem] = field(default_factory=dict)
    meant: Mapping[int, Problem] = field(default_factory=dict)
    unlabelled: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)


@dataclass(frozen=True)
class Watch:
    """Who wants to hear how far reading is, and may stop it."""

    progress: ProgressFn | None = None
    cancel: threading.Event | None = None

    def step(self, done: int, total: int) -> None:
        """Report and check every few hundred rows."""
        if done % REPORT_EVERY == 0 or done == total:
            check_cancel(self.cancel)
            if self.progress is not None:
                self.progress(Progress("read", done, total))


def prepare(
    raw: RawTable, roles: ColumnRoles, *, check_images: bool, watch: Watch
) -> PreparedTable:
    """Turn a raw table into columns of ours and find its bad rows.

    Args:
        raw: as read.
        roles: which column is what.
        check_images: decode every picture; without, broken ones stay unnoticed here.
        watch: hears of progress and may cancel.

    Raises:
        DataError: a column is missing, or the label column cannot hold labels.
    """
    source = with_joined(raw.table, roles.content, {roles.label, roles.id, roles.split}, raw.name)
    needed = [c for c in (roles.label, roles.content, roles.id, roles.split) if c is not None]
    for column in (*needed, roles.group):
        if column is not None and column not in source.column_names:
            raise DataError(
                f"{raw.name} has no column {column!r}, which the other files have; its "
                f"columns are {short_list(raw.table.column_names)}."
            )
    labels = label_texts(raw.table.column(roles.label), roles.label, raw.classes)
    problems = dict.fromkeys(
        np.flatnonzero(labels.is_null().to_numpy()).tolist(), without_label(roles.label)
    )
    contents = _contents(source.column(roles.content), roles.kind)
    if roles.kind == "image_path":
        contents = _present_paths(contents, raw, roles.content)
    hashes, bad = _hash_contents(raw, contents, roles, check_images, watch)
    columns: dict[str, Any] = {
        "row": pa.array(raw.rows),
        "content_hash": pa.array(hashes),
        roles.kind: contents,
    }
    if roles.id is not None:
        ids = column_text(raw.table.column(roles.id), roles.id)
        without = Problem(f"has no id in column {roles.id!r}")
        problems |= dict.fromkeys(np.flatnonzero(blank(ids).to_numpy()).tolist(), without)
        columns["id"] = pc.fill_null(ids, "")
    for name, kept in extra_names(raw.table.column_names, needed).items():
        columns[kept] = _extra(raw, name)
    values = None
    if roles.split is not None:
        values, odd = _splits(raw.table.column(roles.split), roles)
        problems |= odd
    return PreparedTable(raw, pa.table(columns), labels, values, problems | bad)


def _splits(column: pa.ChunkedArray, roles: ColumnRoles) -> tuple[pa.Array, dict[int, Problem]]:
    """The split of each row, and what is wrong where its name is missing or none."""
    texts = column_text(column, str(roles.split)).to_pylist()
    named = {t: roles.split_of(t) for t in {*texts} - {None}}
    splits = [named.get(text) for text in texts]
    problems = {}
    for row in (row for row, split in enumerate(splits) if split is None):
        blank = not (texts[row] or "").strip()
        what = "no split" if blank else f"{texts[row]!r}, which is the name of no split,"
        detail = "" if blank else f" (--splits test={texts[row]} would say which)"
        problems[row] = Problem(f"has {what} in column {roles.split!r}", detail)
    return pa.array(splits, pa.string()), problems


def _present_paths(names: pa.ChunkedArray, raw: RawTable, column: str) -> pa.Array:
    """Names of pictures as their files are called here.

    Raises:
        DataError: there is a file for none of them.
    """
    root = raw.image_root or Path()
    found = [present_path(root, name) for name in names.to_pylist()]
    if not any(found):
        first = next(filter(None, names.to_pylist()), "")
        raise DataError(
            f"None of the pictures that column {column!r} of {raw.name} names is in {root}, such "
            f"as {first!r}; name their folder with --image-root."
        )
    return pa.array([path or name for path, name in zip(found, names.to_pylist(), strict=True)])


def _extra(raw: RawTable, name: str) -> pa.ChunkedArray:
    """A column that rides along, plain; not everything that Arrow can hold can be kept."""
    column = raw.table.column(name)
    try:
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        nothing = pc.take(pa.array([], column.type), pa.array([], pa.int64()))
        pq.write_table(pa.table({name: nothing}), pa.BufferOutputStream())
    except (ValueError, pa.ArrowNotImplementedError) as error:
        raise DataError(
            f"Column {name!r} of {raw.name} holds {column.type}, which cannot be kept; remove "
            "the column, or write it as text."
        ) from error
    return column


def _contents(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    """The content column without nulls, in the type that a split has."""
    if kind != "image":
        return pc.fill_null(column.cast(pa.string()), "")
    if pa.types.is_struct(column.type):
        column = pc.struct_field(column, "bytes")
    if is_text(column.type):
        return pa.chunked_array(
            [[from_base64(text) or b"" for text in chunk.to_pylist()] for chunk in column.chunks],
            pa.large_binary(),
        )
    return pc.fill_null(column.cast(pa.large_binary()), b"")


def _hash_contents(
    raw: RawTable, contents: pa.ChunkedArray, roles: ColumnRoles, check: bool, watch: Watch
) -> tuple[Keys, dict[int, Problem]]:
    """Content hashes, and what is wrong with which content; one picture in memory at a time."""
    if roles.kind == "text":
        empty = np.flatnonzero(blank(contents).to_numpy()).tolist()
        problems = dict.fromkeys(empty, Problem(f"has an empty text in column {roles.content!r}"))
        return content_hashes(_values(contents, watch)), problems
    broken: dict[int, Problem] = {}
    budget = PixelBudget(raw.name)
    split = Split("", pa.table({roles.kind: contents}), raw.image_root)

    def checked() -> Iterator[bytes]:
        for i in range(len(split)):
            try:
                data, why = split.image_bytes(i), None
            except DataError as error:
                data, why = b"", f"missing: {str(error).rstrip('.')}"
            if check and why is None:
                why = image_problem(data, budget)
            if why is not None:
                broken[i] = Problem(f"has a bad image in column {roles.content!r}", f", {why}")
            watch.step(i + 1, len(split))
            yield data

    return content_hashes(checked()), broken


def _values(column: pa.ChunkedArray, watch: Watch) -> Iterator[str]:
    done = 0
    for chunk in column.iterchunks():
        for value in chunk.to_pylist():
            done += 1
            watch.step(done, len(column))
            yield value


def column_text(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Any column as texts, null where there is nothing.

    Raises:
        DataError: it holds something that has no text.
    """
    try:
        return column.cast(pa.string())
    except pa.ArrowException as error:
        raise DataError(
            f"Column {name!r} holds {column.type}, which cannot be read as text; write "
            "it as text, or name another (--id, --split, --group)."
        ) from error


def group_names(column: pa.ChunkedArray, name: str) -> list[str]:
    """Each row's group, "" where it names none; 7 and 7.0, of two files, are one.

    Raises:
        DataError: the column holds something that has no text.
    """
    if pa.types.is_floating(column.type):
        numbers = pc.if_else(pc.is_nan(column), None, column)  # what pandas writes for nothing
        whole = pc.all(pc.equal(numbers, pc.round(numbers))).as_py() is not False
        small = pc.all(pc.less(pc.abs(numbers), 2.0**53)).as_py() is not False
        column = numbers.cast(pa.int64()) if whole and small else numbers
    return [(text or "").strip() for text in column_text(column, name).to_pylist()]
