"""Inside one CSV record: where its fields lie, and how to write another value into one of them.

The csv module tells values, not places. These pure functions find the places in a record's raw
text, so that an export touches one field and copies the rest. Records come from
`data.csv_format`, which has checked their quotes already. `store.export_csv` is the caller.
"""

import re

from influence_core.data.readers.csv_format import CsvFormat
from influence_core.errors import StoreError

# What spreadsheets take for the start of a formula (OWASP, "CSV Injection"), full-width forms too.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?")


def field_spans(raw: str, form: CsvFormat) -> list[tuple[int, int]]:
    """Start and end of every field in a record's raw text, quotes included.

    Args:
        raw: a record as `read_records` gives it, line end included.
        form: how the file is cut.

    Returns:
        One (start, end) per field; [] for a blank line.
    """
    unquoted = re.compile(f"[^{re.escape(form.delimiter)}\r\n]*")
    if raw.strip("\r\n") == "":
        return []
    spans = []
    start = 0
    while True:
        if form.quoting and raw.startswith('"', start):
            end = _closing_quote(raw, start + 1) + 1
        else:
            end = unquoted.match(raw, start).end()  # type: ignore[union-attr]  # matches "" too
        spans.append((start, end))
        if raw[end : end + 1] != form.delimiter:
            return spans
        start = end + 1


def spell_field(value: str, old: str, form: CsvFormat, alone: bool) -> str:
    """A value as the raw text of a field, quoted if the old one was or if it must be.

    Args:
        value: what the field shall read as.
        old: raw text of the field so far.
        form: how the file is cut.
        alone: whether the record has no other field; an empty one would then be a blank line.

    Raises:
        StoreError: the file knows no quotes and the value would need them.
    """
    special = any(c in value for c in (form.delimiter, "\r", "\n")) or (alone and not value)
    if not form.quoting:
        if special:
            raise StoreError(
                f"{value!r} cannot be written into a file without quotes; choose another label, or "
                "export as Parquet."
            )
        return value
    if special or '"' in value or old.startswith('"'):
        return '"' + value.replace('"', '""') + '"'
    return value


def is_formula(value: str) -> bool:
    """Whether a spreadsheet might run this value; plain numbers are none."""
    text = value.lstrip(" ")
    return text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text.rstrip())


def escaped(value: str) -> str:
    """The value with an apostrophe in front if a spreadsheet might run it."""
    return f"'{value}" if is_formula(value) else value


def escape_field(field: str, form: CsvFormat) -> str:
    """The raw text of a field with an apostrophe before its value."""
    if form.quoting and field.startswith('"'):
        return f"\"'{field[1:]}"
    return f"'{field}"


def _closing_quote(raw: str, start: int) -> int:
    """Position of the quote that ends a field; doubled ones stand for themselves."""
    while True:
        at = raw.index('"', start)
        if raw[at + 1 : at + 2] != '"':
            return at
        start = at + 2
