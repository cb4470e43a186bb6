"""CSV as people really write it, record by record.

`CsvFormat` says how the bytes become fields, `read_records` walks a file by it and keeps the raw
text of every record, so an export can copy what it does not change byte for byte: decoding and
encoding by the same strict codec is the identity. The reader and the export share this module;
that is what makes their row numbers agree. How a file is written is found by `csv_detect`.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from influence_core.data.source import QUOTINGS, Quoting
from influence_core.errors import DataError

# The csv module's own limit, 131,072 characters a field, is shorter than real documents.
csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class CsvFormat:
    """How a file's bytes become fields.

    Attributes:
        encoding: Python codec without a byte-order mark.
        bom: whether the file starts with one.
        delimiter: one character between fields.
        quoting: one of `QUOTINGS`.
        skip_blanks: whether blanks before a field are no part of it, as in `a, "b"`.
        header: whether the first record names the columns.
        above: lines before that, such as Excel's `sep=;` and comments.
    """

    encoding: str
    bom: bool
    delimiter: str
    quoting: Quoting = "double"
    skip_blanks: bool = False
    header: bool = True
    above: int = 0

    @property
    def quote(self) -> str:
        """The mark around fields, "" if there is none."""
        return QUOTINGS[self.quoting][0]

    @property
    def escapes(self) -> bool:
        """Whether a backslash takes the meaning of the mark after it."""
        return QUOTINGS[self.quoting][1]


class Record(NamedTuple):
    """One record of a CSV.

    Attributes:
        line: number of its first line, from 1, as in an editor.
        fields: decoded values; [] for a line above the records or a blank one: no row.
        raw: its text with the line end, exactly as in the file (without a byte-order mark).
    """

    line: int
    fields: list[str]
    raw: str


def read_records(path: Path, form: CsvFormat) -> Iterator[Record]:
    """All records of a file, the line of column names and blank lines included, in order.

    Raises:
        DataError: quotes are broken (names the line), or the file cannot be read.
    """
    try:
        with path.open(encoding=form.encoding, newline="") as file:
            if form.bom:
                file.read(1)
            yield from parse_records(file, form, path.name)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def parse_records(lines: Iterable[str], form: CsvFormat, name: str) -> Iterator[Record]:
    """Records of text lines that still have their line ends.

    Args:
        lines: such as an open file with `newline=""`.
        form: how to cut them.
        name: of the file, for errors.

    Raises:
        DataError: quotes are broken; names the line.
    """
    rest = iter(lines)
    for number, line in enumerate(islice(rest, form.above), start=1):
        yield Record(number, [], line)
    parser = Parser(rest, form)
    while True:
        try:
            record = parser.next_record()
        except csv.Error as error:
            raise DataError(_quote_sentence(name, parser.line, str(error))) from error
        if record is None:
            return
        yield record


class Parser:
    """The csv module's reader, with the raw text and the first line of each record."""

    def __init__(self, lines: Iterable[str], form: CsvFormat) -> None:
        self.line = self._above = form.above
        self._taken: list[str] = []
        mark = re.escape(form.delimiter)
        self._nothing = re.compile(rf"(^|{mark})\\N(?=$|{mark}|[\r\n])") if form.escapes else None
        self._reader = csv.reader(
            self._tap(lines),
            delimiter=form.delimiter,
            quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
            quotechar=form.quote or None,
            doublequote=not form.escapes,
            escapechar="\\" if form.escapes else None,
            skipinitialspace=form.skip_blanks,
            strict=True,
        )

    def next_record(self) -> Record | None:
        """The next record, None at the end; csv.Error if its quotes are broken."""
        self.line = self._above + self._reader.line_num + 1
        fields = next(self._reader, None)
        if fields is None:
            return None
        raw = "".join(self._taken)
        self._taken.clear()
        return Record(self.line, fields, raw)

    def _tap(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._taken.append(line)
            # MySQL's word for no value; the reader would take it for an N.
            yield line if self._nothing is None else self._nothing.sub(r"\1", line)


def _quote_sentence(name: str, line: int, why: str) -> str:
    if "limit" in why:
        return f"A field of the record at line {line} of {name} is longer than 16 million letters."
    if "end of data" in why:
        return (
            f"The record that starts at line {line} of {name} opens a quote that is never closed; "
            "close it, or name another quoting (--quoting), such as none."
        )
    return (
        f"The quotes of the record that starts at line {line} of {name} are broken ({why}); write "
        'a quote inside a quoted field twice (""), or name another quoting (--quoting), such as '
        "none or backslash."
    )
