"""Inside one CSV record: where its fields lie, and how to write another value into one of them.

The csv module tells values, not places. These pure functions find the places in a record's raw
text, so that an export touches one field and copies the rest. Records come from
`data.readers.text.csv_format`, which has checked their quotes already. `csv_bytes` is the caller.
"""

import re
from functools import cache

from influence_core.data.readers.text.csv_format import CsvFormat
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
    if raw.strip("\r\n") == "":
        return []
    unquoted, quoted = _patterns(form)
    spans = []
    start = 0
    while True:
        if form.skip_blanks:
            start = len(raw) - len(raw[start:].lstrip(" "))
        if form.quote and raw.startswith(form.quote, start):
            end = quoted.match(raw, start).end()  # type: ignore[union-attr]  # quotes are checked
        else:
            end = unquoted.match(raw, start).end()  # type: ignore[union-attr]  # matches "" too
        spans.append((start, end))
        if raw[end : end + 1] != form.delimiter:
            return spans
        start = end + 1


@cache
def _patterns(form: CsvFormat) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A field without quotes, and one with."""
    mark, quote = re.escape(form.delimiter), form.quote
    if form.escapes:
        plain, inner = rf"(?:[^\\{mark}\r\n]|\\.)*+", rf"(?:[^\\{quote}]|\\.)*+"
    else:
        plain, inner = rf"[^{mark}\r\n]*", f"(?:[^{quote}]|{quote}{quote})*+"
    # With escapes, Python's reader takes what follows a closing quote for more of the field.
    after = plain if form.escapes else ""
    whole = f"{quote}{inner}{quote}{after}" if quote else plain
    return re.compile(plain, re.DOTALL), re.compile(whole, re.DOTALL)


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
    quote = form.quote
    special = any(c in value for c in (form.delimiter, "\r", "\n")) or (alone and not value)
    if form.escapes:
        risky = f"\\{quote}" if quote else f"\\{form.delimiter}\r\n"
        value = "".join(f"\\{c}" if c in risky else c for c in value)
        special = special and (bool(quote) or not value)
    if not quote:
        if special:
            raise StoreError(
                f"{value!r} cannot be written into a file without quotes; choose another label, or "
                "export as Parquet."
            )
        return value
    blanks = form.skip_blanks and value.startswith(" ")
    if special or blanks or quote in value or old.startswith(quote):
        inner = value if form.escapes else value.replace(quote, 2 * quote)
        return f"{quote}{inner}{quote}"
    return value


def is_formula(value: str) -> bool:
    """Whether a spreadsheet might run this value; plain numbers are none."""
    text = value.lstrip(" ")
    return text.startswith(FORMULA_STARTS) and not _NUMBER.fullmatch(text.rstrip())


def escaped(value: str) -> str:
    """The value with an apostrophe in front if a spreadsheet might run it."""
    return f"'{value}" if is_formula(value) else value
