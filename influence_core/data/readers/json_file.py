"""Reads records of JSON: one a line, in a list or an object of them, or column by column.

All that pandas writes is read (`orient=` "records", "split", "index", "columns" or "table"). Every
record keeps its raw text and its place, so an export changes one value and copies the
rest. Python's own parser is used since it keeps values as they are: others take some texts for
dates, and tell no places. The reader and the export share this module; so their record numbers
agree.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from influence_core.data.options import ReadOptions
from influence_core.data.readers.json_columns import (
    BLANK,
    decoded,
    find_blocks,
    is_list_of_records,
    members,
    skip,
)
from influence_core.data.readers.text.encodings import detect_encoding
from influence_core.data.readers.values import to_table
from influence_core.data.rows import LeftOut, RawTable
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError, one_line

LINES = (".jsonl", ".ndjson", ".jl")
SUFFIXES = (*LINES, ".json")


class Piece(NamedTuple):
    """A stretch of the file; all of them together are the file.

    Attributes:
        raw: its text.
        line: number of the line that its value begins on, from 1.
        start: where the value begins in `raw`; -1 if it is no record, but what stands around them.
        value: the record, or why it is none.
        row: number of the record, from 0; -1 without one.
        cell: name of the column if this is no record but one `value` of it; "" for a row's name.
    """

    raw: str
    line: int
    start: int = -1
    value: Any = ""
    row: int = -1
    cell: str | None = None


def read_json(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one file.

    Args:
        source: path.
        options: `encoding` and `bad_rows` are used.
        limit: most rows wanted, None for all.

    Raises:
        DataError: it is unreadable, empty, no JSON, or something in it is no record.
    """
    path = Path(source)
    try:
        encoding, bom = detect_encoding(path, options.encoding)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    pieces = _records(read_pieces(path, encoding, bom))
    lines: list[int] = []
    rows: list[int] = []
    out: list[str] = []
    count = 0

    def kept() -> Iterator[dict[str, Any]]:
        nonlocal count
        for piece in islice(pieces, limit):
            count += 1
            if isinstance(piece.value, str):
                if options.bad_rows == "drop":
                    out.append(f"line {piece.line} of {path.name}")
                    continue
                raise DataError(
                    f"Line {piece.line} of {path.name} is no record ({piece.value}); write "
                    '{"text": …, "label": …} there, or leave bad rows out (--drop-bad).'
                )
            lines.append(piece.line)
            rows.append(count - 1)
            yield piece.value

    table = to_table(kept(), path.name)
    if not rows or not table.num_columns:
        raise DataError(f"{path.name} has no records.")
    digest = of_file(path) if limit is None else ""
    file = SourceFile("json", str(path.resolve()), digest, count, encoding=encoding, bom=bom)
    return [
        RawTable(
            split=None,
            table=table,
            file=file,
            place=lambda i: f"line {lines[i]} of {path.name}",
            rows=np.array(rows, dtype=np.int64),
            image_root=path.parent,
            left_out=(LeftOut("is no record", len(out), tuple(out[:3])),) * bool(out),
        )
    ]


def read_pieces(path: Path, encoding: str, bom: bool) -> Iterator[Piece]:
    """The whole file, piece by piece, without a byte-order mark.

    Args:
        path: where it lies.
        encoding: Python codec.
        bom: whether it begins with a byte-order mark.

    Raises:
        DataError: it cannot be read, or is no JSON as a whole.
    """
    try:
        with path.open(encoding=encoding, newline="") as opened:
            if bom:
                opened.read(1)
            head = ""
            for head in opened:
                if head.strip(BLANK):
                    break
            begins = head.strip(BLANK)
            named = path.suffix.lower() in LINES
            lines = begins[:1] != "[" and (named or _are_lines(begins, opened))
            opened.seek(0)
            if bom:
                opened.read(1)
            if lines:
                yield from _lines(opened)
            else:
                yield from _listed(opened.read(), path.name)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def _records(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """Those that are records, also put together from their cells."""
    whole: dict[int, Piece] = {}
    for piece in pieces:
        if piece.cell is None and piece.row >= 0:
            yield piece
        elif piece.cell:
            record = whole.setdefault(piece.row, piece._replace(value={}))
            record.value[piece.cell] = piece.value
    yield from whole.values()


def _are_lines(first: str, others: Iterator[str]) -> bool:
    """Whether the first line is a record, and no list of records or columns that stands alone."""
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or any(line.strip(BLANK) for line in others):
        return isinstance(value, dict)
    if any(map(is_list_of_records, value.values())):
        return False
    held = [isinstance(v, list | dict) for v in value.values()]
    return not all(held) and not {"columns", "data"} <= value.keys()


def _lines(lines: Iterator[str]) -> Iterator[Piece]:
    row = 0
    for number, raw in enumerate(lines, 1):
        start = skip(raw, 0)
        if start == len(raw):
            yield Piece(raw, number)
            continue
        try:
            value, end = decoded(raw, start)
            more = skip(raw, end) < len(raw)
            found = "there is more on the line than one value" if more else _record(value)
        except ValueError as error:
            found = one_line(error)
        yield Piece(raw, number, start, found, row)
        row += 1


def _listed(text: str, name: str) -> Iterator[Piece]:
    """The pieces of blocks: what is before each, each element after its comma, what follows."""
    done, line = 0, 1
    try:
        for block in find_blocks(text, name):
            yield Piece(text[done : block.at + 1], line)
            line += text.count("\n", done, block.at)
            done = block.at + 1
            for i, (key, start, end, value) in enumerate(members(text, block.at)):
                line += text.count("\n", done, start)
                row = i if block.rows is None else block.rows[key]
                found = value if block.cell is not None else _record(value, block.columns)
                yield Piece(text[done:end], line, start - done, found, row, block.cell)
                line += text.count("\n", start, end)
                done = end
        if text[skip(text, 0)] == "[" and skip(text, skip(text, done) + 1) < len(text):
            raise json.JSONDecodeError("Extra data", text, skip(text, done) + 1)
        yield Piece(text[done:], line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"Line {error.lineno} of {name} is no JSON ({error.msg}); save the file again."
        ) from error
    except ValueError as error:
        raise DataError(f"{name} is no JSON that can be read ({one_line(error)}).") from error


def _record(value: Any, columns: tuple[str, ...] | None = None) -> dict[str, Any] | str:
    if columns is None:
        return value if isinstance(value, dict) else "it is no object"
    if len(value) != len(columns):
        return f"it has {len(value)} values instead of {len(columns)}"
    return dict(zip(columns, value, strict=True))
