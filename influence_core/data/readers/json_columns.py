"""Where the records of one JSON value are: a list or an object of them, or column by column.

That is how pandas writes tables (`orient=` "records", "split", "index", "columns", "table"), and
`datasets` hands out columns. `json_file` reads the blocks piece by piece; nothing is moved.
"""

import json
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

from influence_core.data.budget import short_list
from influence_core.data.readers.text.header import names_columns
from influence_core.errors import DataError

BLANK = " \t\r\n"
_DECODER = json.JSONDecoder()
_COLUMNS = (
    "holds no list of records; save it as JSON lines, {\"text\": …, \"label\": …} on each line "
    '(in pandas: orient="records", lines=True).'
)  # fmt: skip


class Block(NamedTuple):
    """A list or object with something of every record in it.

    Attributes:
        at: where it begins.
        cell: as of its pieces.
        columns: names of the values of each record, if that is a list.
        rows: the name of each record in another block, None if the place tells.
    """

    at: int
    cell: str | None = None
    columns: tuple[str, ...] | None = None
    rows: dict[str, int] | None = None


def members(text: str, start: int) -> Iterator[tuple[str, int, int, Any]]:
    """Name, start, end and value of the members of the object, or list, that begins there.

    Raises:
        ValueError: it is neither.
    """
    closing = "]" if text[start] == "[" else "}"
    name, at = "", skip(text, start + 1)
    while text[at : at + 1] != closing:
        if closing == "}":
            if text[at : at + 1] != '"':
                raise json.JSONDecodeError("Expecting property name in double quotes", text, at)
            name, at = _DECODER.raw_decode(text, at)
            at = skip(text, at)
            if text[at : at + 1] != ":":
                raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
            at = skip(text, at + 1)
        value, end = decoded(text, at)
        yield name, at, end, value
        at = skip(text, end)
        if text[at : at + 1] == ",":
            at = skip(text, at + 1)
            if text[at : at + 1] == closing:
                raise json.JSONDecodeError("Expecting a value after ','", text, at)
        elif text[at : at + 1] != closing:
            raise json.JSONDecodeError(f"Expecting ',' delimiter or '{closing}'", text, at)


def find_blocks(text: str, name: str) -> list[Block]:
    """Where the records are: a list at once or as the only such one in an object, or columns.

    Args:
        text: the whole file.
        name: of it, for errors.

    Raises:
        DataError: they are nowhere.
        ValueError: it is no JSON.
    """
    at = skip(text, 0)
    if text[at : at + 1] == "[":
        return [Block(at)]
    if text[at : at + 1] != "{":
        raise DataError(f"{name} {_COLUMNS}" if text[at:] else f"{name} has no records.")
    found, end = {}, at + 1
    for key, start, end, value in members(text, at):  # noqa: B007  (of the last)
        if key in found:
            raise DataError(f"{name} names {key!r} twice; rename one.")
        found[key] = (start, value)
    if skip(text, close := skip(text, end) + 1) < len(text):
        raise json.JSONDecodeError("Extra data", text, skip(text, close))
    lists = [key for key, (_, value) in found.items() if is_list_of_records(value)]
    if len(lists) > 1:
        raise DataError(
            f"{name} holds several lists of records, {short_list(lists)}; save each as a file of "
            "its own, such as train.json and test.json in one folder."
        )
    if lists:
        return [Block(found[lists[0]][0])]
    blocks = _by_columns(at, found)
    if not blocks:
        raise DataError(f"{name} {_COLUMNS}")
    return blocks


def _by_columns(at: int, found: dict[str, tuple[int, Any]]) -> list[Block]:
    """The blocks of what pandas writes as "split", "index" or "columns"; none if it is none."""
    values = {key: value for key, (_, value) in found.items()}
    if {"columns", "data"} <= values.keys():
        return _split(found)
    if all(isinstance(value, list) for value in values.values()):
        alike = len({len(value) for value in values.values()}) == 1
        return [Block(start, key) for key, (start, _) in found.items() if alike]
    if not all(isinstance(value, dict) for value in values.values()):
        return []
    inner = {
        key: row for row, key in enumerate(dict.fromkeys(k for v in values.values() for k in v))
    }
    if _are_columns(inner, values):
        return [Block(at)]
    whole = all({*value} == {*inner} for value in values.values())
    if not whole or not _are_columns(values, inner):
        return []
    return [Block(start, key, rows=inner) for key, (start, _) in found.items()]


def _split(found: dict[str, tuple[int, Any]]) -> list[Block]:
    """The blocks of {"columns": [...], "index": [...], "data": [[...], ...]}."""
    values = {key: value for key, (_, value) in found.items() if key != "columns"}
    names, rows = found["columns"][1], values["data"]
    sizes = {len(value) if isinstance(value, list) else -1 for value in values.values()}
    if not isinstance(names, list) or len({*map(str, names)}) < len(names):
        return []
    if len(sizes) > 1 or not values.keys() <= {"index", "data"} or sizes == {-1}:
        return []
    if not all(isinstance(row, list) for row in rows):
        return []
    whole = (None, tuple(map(str, names)))
    return [Block(found[key][0], *(whole if key == "data" else ("",))) for key in values]


def _are_columns(names: Collection[str], others: Collection[str]) -> bool:
    """Whether some keys rather name columns, and the others rows."""
    usual, rival = names_columns([*names]), names_columns([*others])
    numbers = all(key.isdecimal() for key in others)
    return usual > rival or (usual == rival and numbers and not any(k.isdecimal() for k in names))


def is_list_of_records(value: Any) -> bool:
    """Whether it is a list of objects, and not empty."""
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def decoded(text: str, at: int) -> tuple[Any, int]:
    """The value that begins there, and its end; ValueError if it is none."""
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def skip(text: str, at: int) -> int:
    """The next place that is no blank."""
    while text[at : at + 1] in BLANK and at < len(text):
        at += 1
    return at
