"""Reads records of JSON: one a line, or in a list, which may be the only one in an object.

Every record keeps its raw text and its place, so an export changes one value and copies the rest.
Python's own parser is used since it keeps values as they are: others take some texts for dates, and
tell no places. The reader and the export share this module; so their record numbers agree.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from influence_core.data.options import ReadOptions
from influence_core.data.readers.text.encodings import detect_encoding
from influence_core.data.readers.values import to_table
from influence_core.data.rows import LeftOut, RawTable
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError, one_line

LINES = (".jsonl", ".ndjson", ".jl")
SUFFIXES = (*LINES, ".json")
_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"
_COLUMNS = (
    "holds no list of records; save it as JSON lines, {\"text\": …, \"label\": …} on each line "
    '(in pandas: orient="records", lines=True).'
)  # fmt: skip


class Piece(NamedTuple):
    """A stretch of the file; all of them together are the file.

    Attributes:
        raw: its text.
        line: number of the line that its value begins on, from 1.
        start: where the value begins in `raw`; -1 if it is no record, but what stands around them.
        value: the record, or why it is none.
    """

    raw: str
    line: int
    start: int = -1
    value: dict[str, Any] | str = ""


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
    pieces = (piece for piece in read_pieces(path, encoding, bom) if piece.start >= 0)
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
                if head.strip(_BLANK):
                    break
            begins = head.strip(_BLANK)
            opened.seek(0)
            if bom:
                opened.read(1)
            if begins[:1] != "[" and (path.suffix.lower() in LINES or _is_record_line(begins)):
                yield from _lines(opened)
            else:
                yield from _listed(opened.read(), path.name)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def members(text: str, start: int) -> Iterator[tuple[str, int, int, Any]]:
    """Name, start, end and value of the members of the object that begins there.

    Raises:
        ValueError: it is no JSON object.
    """
    at = _skip(text, start + 1)
    while text[at : at + 1] == '"':
        name, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at)
        if text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        at = _skip(text, at + 1)
        value, end = _decoded(text, at)
        yield name, at, end, value
        at = _skip(text, end)
        if text[at : at + 1] != ",":
            break
        at = _skip(text, at + 1)
    if text[at : at + 1] != "}":
        raise json.JSONDecodeError("Expecting ',' delimiter or '}'", text, at)


def _is_record_line(line: str) -> bool:
    """Whether it is a whole object that is neither a list of records nor of columns."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    if not isinstance(value, dict) or any(map(_is_list_of_records, value.values())):
        return False
    sizes = {len(v) if isinstance(v, list | dict) else -1 for v in value.values()}
    return -1 in sizes or len(sizes) > 1


def _is_list_of_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _lines(lines: Iterator[str]) -> Iterator[Piece]:
    for number, raw in enumerate(lines, 1):
        start = _skip(raw, 0)
        if start == len(raw):
            yield Piece(raw, number)
            continue
        try:
            value, end = _decoded(raw, start)
            more = _skip(raw, end) < len(raw)
            found = "there is more on the line than one value" if more else _record(value)
        except ValueError as error:
            found = one_line(error)
        yield Piece(raw, number, start, found)


def _listed(text: str, name: str) -> Iterator[Piece]:
    """The pieces of a list: what is before it, each element after its comma, what follows."""
    try:
        at = _list_start(text, name)
        yield Piece(text[: at + 1], 1)
        line = 1 + text.count("\n", 0, at)
        begin = at + 1
        while text[(start := _skip(text, begin)) : start + 1] not in ("]", ""):
            if begin > at + 1:
                if text[start] != ",":
                    raise json.JSONDecodeError("Expecting ',' delimiter", text, start)
                start = _skip(text, start + 1)
            value, end = _decoded(text, start)
            line += text.count("\n", begin, start)
            yield Piece(text[begin:end], line, start - begin, _record(value))
            line += text.count("\n", start, end)
            begin = end
        if text[start : start + 1] != "]":
            raise json.JSONDecodeError("Expecting ']'", text, start)
        if not text[:at].strip(_BLANK) and _skip(text, start + 1) < len(text):
            raise json.JSONDecodeError("Extra data", text, start + 1)
        yield Piece(text[begin:], line)
    except json.JSONDecodeError as error:
        raise DataError(
            f"Line {error.lineno} of {name} is no JSON ({error.msg}); save the file again."
        ) from error
    except ValueError as error:
        raise DataError(f"{name} is no JSON that can be read ({one_line(error)}).") from error


def _list_start(text: str, name: str) -> int:
    """Where the list of records begins: at once, or as the only such list in an object."""
    at = _skip(text, 0)
    if text[at : at + 1] == "[":
        return at
    if text[at : at + 1] != "{":
        raise DataError(f"{name} {_COLUMNS}" if text[at:] else f"{name} has no records.")
    found = [start for _, start, _, value in members(text, at) if _is_list_of_records(value)]
    if len(found) != 1:
        raise DataError(f"{name} {_COLUMNS}")
    return found[0]


def _record(value: Any) -> dict[str, Any] | str:
    return value if isinstance(value, dict) else "it is no object"


def _decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _skip(text: str, at: int) -> int:
    while text[at : at + 1] in _BLANK and at < len(text):
        at += 1
    return at
