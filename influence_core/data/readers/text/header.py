"""Whether the first record of a CSV names the columns, or is a row like the others.

A row that is taken for names is lost, and names that are taken for a row are a class of their own;
so a file is only said to lack names if most of its columns say so, and the user is asked then.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from statistics import mean

from influence_core.data.columns import ID_NAMES, LABEL_NAMES, SPLIT_NAMES
from influence_core.data.content import IMAGE_NAMES, TEXT_NAMES

USUAL = frozenset((*LABEL_NAMES, *TEXT_NAMES, *IMAGE_NAMES, *ID_NAMES, *SPLIT_NAMES))
ROWS = 1_000
LEAST_ROWS = 3
MOST_TITLES = 20
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?%?")


def names_columns(record: Sequence[str]) -> bool:
    """Whether one of its fields is a usual name of a column."""
    return any(field.strip(" #").lower() in USUAL for field in record)


def titles_above(rows: Sequence[Sequence[str]], width: int) -> int:
    """How many of the first rows stand above the names of columns, such as a title and a date.

    Args:
        rows: first ones of a file or sheet; "" where there is nothing.
        width: fields of most rows.
    """
    for number, row in enumerate(rows[:MOST_TITLES]):
        if len(row) != width:
            continue
        below = [other for other in rows[number + 1 :] if len(other) == width]
        usual = {i for i, field in enumerate(row) if field.strip(" #").lower() in USUAL}
        names = usual and not any(other[i] == row[i] for other in below for i in usual)
        if names and (all(row) or not any(map(_filled, rows[:number]))):
            return number
        if all(row):
            return 0
    return 0


def _filled(row: Sequence[str]) -> bool:
    return sum(map(bool, row)) > 1


def reads_like_a_row(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first record looks more like the records below than like names of columns.

    Args:
        records: first ones of a file, without blank lines.
    """
    first, *rest = records[: ROWS + 1] or [()]
    rows = [row for row in rest if len(row) == len(first) and row != first]
    if len(rows) < LEAST_ROWS or len(first) < 2:
        return False
    columns = list(zip(*rows, strict=True))
    if any(
        name.strip(" #").lower() in USUAL and name not in column
        for name, column in zip(first, columns, strict=True)
    ):
        return False
    numbers = [int(name) for name in first if name.isdecimal()]
    if len(numbers) > 1 and all(b == a + 1 for a, b in pairwise(numbers)):
        return False  # pandas numbers columns that have no names
    return sum(map(_vote, first, columns)) > 0


def _vote(name: str, column: Sequence[str]) -> int:
    """1 if the first field is like those below it, -1 if it is not, 0 if it cannot be told."""
    below = [value for value in column if value]
    if not name or not below:
        return 0
    if name in below:
        return 1
    if mean(bool(_NUMBER.fullmatch(value)) for value in below) > 0.9:
        return 1 if _NUMBER.fullmatch(name) else -1
    usual = mean(map(len, below))
    if usual >= 20:
        long = 2 * len(name) >= usual and len(name.split()) > 3
        return 1 if long else -1 * (2 * len(name) < usual)
    return -1 if 5 * len(set(below)) <= len(below) else 0
