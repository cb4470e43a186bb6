"""CSV as people really write it: which encoding, which delimiter, and record by record.

`CsvFormat` says how the bytes become fields, `read_records` walks a file by it and keeps the raw
text of every record, so an export can copy what it does not change byte for byte: decoding and
encoding by the same strict codec is the identity. The reader and the export share this module;
that is what makes their row numbers agree.
"""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from influence_core.errors import DataError

DELIMITERS = (",", "\t", ";", "|")
SAMPLE_CHARACTERS = 1_000_000
CHUNK = 1 << 20
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The csv module's own limit, 131,072 characters a field, is shorter than real documents.
csv.field_size_limit(1 << 24)


@dataclass(frozen=True)
class CsvFormat:
    """How a file's bytes become fields.

    Attributes:
        encoding: Python codec without a byte-order mark.
        bom: whether the file starts with one.
        delimiter: one character between fields.
        quoting: whether '"' quotes fields.
    """

    encoding: str
    bom: bool
    delimiter: str
    quoting: bool


class Record(NamedTuple):
    """One record of a CSV.

    Attributes:
        line: number of its first line, from 1, as in an editor.
        fields: decoded values; [] for a blank line, which counts as no row.
        raw: its text with the line end, exactly as in the file (without a byte-order mark).
    """

    line: int
    fields: list[str]
    raw: str


def detect_format(
    path: Path,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    quoting: bool | None = None,
) -> CsvFormat:
    """Find out how a file is written; what is given is taken as it is.

    Raises:
        DataError: the file is empty, unreadable or not text in the encoding that was given.
    """
    try:
        codec, bom = detect_encoding(path, encoding)
        with path.open(encoding=codec, newline="") as file:
            sample = file.read(SAMPLE_CHARACTERS)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
    sample = sample.removeprefix("\ufeff") if bom else sample
    if not sample.strip():
        raise DataError(f"{path.name} is empty; it needs a line of column names and rows below it.")
    if "\0" in sample:
        raise DataError(f"{path.name} is not a text file (it has NUL bytes); save it as CSV.")
    delimiters = (delimiter,) if delimiter else DELIMITERS
    quotings = (True, False) if quoting is None else (quoting,)
    choices = [CsvFormat(codec, bom, d, q) for d in delimiters for q in quotings]
    return max(choices, key=lambda choice: _fit(sample, choice, quoting is None))


def detect_encoding(path: Path, encoding: str | None = None) -> tuple[str, bool]:
    """Codec of a whole file, and whether it starts with a byte-order mark.

    Without a mark UTF-8 is tried, then UTF-16 if every other byte is mostly zero, then Windows'
    cp1252; latin-1 takes whatever is left.

    Raises:
        DataError: the file does not fit the encoding that was given.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    marked = next((codec for mark, codec in _BOMS if head.startswith(mark)), None)
    if encoding is not None:
        codec = _bare_codec(encoding, marked)
        if not _decodes(path, codec):
            raise DataError(f"{path.name} is not text in {encoding}; name another encoding.")
        return codec, codec == marked
    if marked is not None and _decodes(path, marked):
        return marked, True
    for codec in (*_zero_bytes(head), "utf-8", "cp1252"):
        if _decodes(path, codec):
            return codec, False
    return "latin-1", False


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
    parser = _Parser(lines, form)
    while True:
        try:
            record = parser.next_record()
        except csv.Error as error:
            raise DataError(_quote_sentence(name, parser.line, str(error))) from error
        if record is None:
            return
        yield record


class _Parser:
    """The csv module's reader, with the raw text and the first line of each record."""

    def __init__(self, lines: Iterable[str], form: CsvFormat) -> None:
        self.line = 0
        self._taken: list[str] = []
        self._reader = csv.reader(
            self._tap(lines),
            delimiter=form.delimiter,
            quoting=csv.QUOTE_MINIMAL if form.quoting else csv.QUOTE_NONE,
            strict=True,
        )

    def next_record(self) -> Record | None:
        """The next record, None at the end; csv.Error if its quotes are broken."""
        self.line = self._reader.line_num + 1
        fields = next(self._reader, None)
        if fields is None:
            return None
        raw = "".join(self._taken)
        self._taken.clear()
        return Record(self.line, fields, raw)

    def _tap(self, lines: Iterable[str]) -> Iterator[str]:
        for line in lines:
            self._taken.append(line)
            yield line


def _quote_sentence(name: str, line: int, why: str) -> str:
    if "end of data" in why:
        return (
            f"The record that starts at line {line} of {name} opens a quote that is never closed; "
            "close it, or read the file with quoting off."
        )
    if "limit" in why:
        return f"A field of the record at line {line} of {name} is longer than 16 million letters."
    return (
        f"The quotes of the record that starts at line {line} of {name} are broken ({why}); write "
        'a quote inside a quoted field twice (""), or read the file with quoting off.'
    )


def _bare_codec(encoding: str, marked: str | None) -> str:
    """Codec that leaves a byte-order mark alone: "utf-8-sig" and "utf-16" do not."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError as error:
        raise DataError(f"There is no text encoding {encoding!r}; try utf-8 or cp1252.") from error
    name = {"utf-8-sig": "utf-8", "iso8859-1": "latin-1"}.get(name, name)
    if name == "utf-16":
        return marked if marked in ("utf-16-le", "utf-16-be") else "utf-16-le"
    return name


def _decodes(path: Path, codec: str) -> bool:
    decoder = codecs.getincrementaldecoder(codec)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _zero_bytes(head: bytes) -> tuple[str, ...]:
    """UTF-16 without a mark shows in Western text as a zero in every other byte."""
    half = max(len(head) // 2, 1)
    if head[1::2].count(0) > 0.4 * half:
        return ("utf-16-le",)
    return ("utf-16-be",) if head[0::2].count(0) > 0.4 * half else ()


def _fit(sample: str, form: CsvFormat, may_doubt: bool) -> tuple[float, int]:
    """How well a sample falls into columns: share of records as wide as the first, then width.

    Quotes are believed in unless the file is tab-separated and they do not work out: that is how
    tab-separated text with quoting off looks.
    """
    if may_doubt and not form.quoting and form.delimiter != "\t":
        return (-1.0, 0)
    widths: list[int] = []
    broken = False
    parser = _Parser(io.StringIO(sample, newline=""), form)
    try:
        while (record := parser.next_record()) is not None:
            if record.fields:
                widths.append(len(record.fields))
    except csv.Error as error:
        # A sample may simply end inside a quoted field.
        broken = "end of data" not in str(error) or len(sample) < SAMPLE_CHARACTERS
    if not widths or widths[0] == 1:
        return (0.0, 0)
    share = sum(width == widths[0] for width in widths) / len(widths)
    doubt = 0.5 if broken else 0.0
    # Quoting wins a draw.
    return (share - doubt - (0.0 if form.quoting else 1e-9), widths[0])
