"""Reads CSV and tab-separated text; every value stays the text that it is in the file.

No number is parsed and no word means "missing": "007", "NA" and "1e5" are labels like any other.
Only an empty field is nothing, and so is one that a short row lacks. What is no row - empty fields
only, the line of names once more - is left out and counted. `data.readers` is the caller.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from influence_core.data.budget import refuse_columns
from influence_core.data.options import ReadOptions
from influence_core.data.readers.text.csv_detect import detect_format, lacks_names
from influence_core.data.readers.text.csv_format import CsvFormat, Record, read_records
from influence_core.data.readers.text.fasttext import looks_like_fasttext, read_fasttext
from influence_core.data.rows import LeftOut, RawTable
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
ROWS_PER_CHUNK = 50_000
FIRST = 3  # places that are named


def read_csv(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one file.

    Args:
        source: path.
        options: `encoding`, `delimiter`, `quoting`, `header` and `bad_rows` are used.
        limit: most rows wanted, None for all.

    Raises:
        DataError: the file is unreadable, empty or ragged, its quotes are broken, or it is not
            sure how it is written.
    """
    path = Path(source)
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file; check the path.")
    form = detect_format(
        path,
        encoding=options.encoding,
        delimiter=options.delimiter,
        quoting=options.quoting,
        header=options.header,
    )
    chosen = (options.delimiter, options.quoting, options.header)
    if chosen == (None, None, None) and looks_like_fasttext(path, form.encoding, form.bom):
        return read_fasttext(source, options, limit)
    if options.header is None and lacks_names(path, form):
        raise DataError(
            f"The first line of {path.name} reads like a row, not like names of columns; say "
            "whether it names them (--header) or is the first row (--no-header)."
        )
    return [read_as(path, form, options, limit)]


def read_as(path: Path, form: CsvFormat, options: ReadOptions, limit: int | None) -> RawTable:
    """Read one file that is known to be written in this form.

    Raises:
        DataError: it is not.
    """
    records = (record for record in read_records(path, form) if record.fields)
    first = next(records, None)
    if first is None:
        raise DataError(f"{path.name} is empty; it needs a line of column names and rows below it.")
    header = first.fields if form.header else []
    names = _column_names(header or [""] * len(first.fields), path.name)
    rows = records if form.header else chain([first], records)
    # A first look shows what can be read; refusing is for who reads all.
    drop = options.bad_rows == "drop" or limit is not None
    found = _collect(islice(rows, limit), header, names, path, drop)
    if not found.rows:
        why, at = next(iter(found.left_out.items()), ("", []))
        if at:
            raise _no_row(at[0], path, why)
        raise DataError(f"{path.name} has column names but no rows; add rows below them.")
    lines = np.array(found.lines)
    return RawTable(
        split=None,
        table=pa.Table.from_batches(found.batches),
        file=_describe(path, form, found.count, limit),
        place=lambda i: f"line {lines[i]} of {path.name}",
        rows=np.array(found.rows, dtype=np.int64),
        image_root=path.parent,
        left_out=tuple(
            LeftOut(why, len(at), tuple(f"line {line} of {path.name}" for line in at[:FIRST]))
            for why, at in found.left_out.items()
        ),
        told=_told(path, form, found.padded),
    )


def _told(path: Path, form: CsvFormat, padded: Sequence[int]) -> tuple[str, ...]:
    """Sentences about what was found out and done, for people."""
    mark = {"\t": "tab"}.get(form.delimiter, f"{form.delimiter!r}")
    blanks = ", blanks before fields passed over" if form.skip_blanks else ""
    said = [
        f"{path.name} is read as {form.encoding}, delimiter {mark}, quoting {form.quoting}{blanks}."
    ]
    if form.above:
        said.append(f"{form.above} lines above the rows of {path.name} are no rows.")
    if not form.header:
        said.append(f"{path.name} has no line of names; its columns are column_1, column_2, ….")
    if padded:
        said.append(
            f"{len(padded):,} rows of {path.name} are shorter than its line of names (first: line "
            f"{padded[0]}); what they lack is taken as empty."
        )
    return tuple(said)


def form_of(file: SourceFile) -> CsvFormat:
    """The form that a file was read in.

    Raises:
        DataError: it is not recorded.
    """
    if file.encoding is None or file.delimiter is None or file.quoting is None:
        raise DataError(f"It is not known how {file.path} is written; import the data again.")
    return CsvFormat(
        file.encoding, file.bom, file.delimiter, file.quoting, file.skip_blanks, file.header,
        file.above,
    )  # fmt: skip


@dataclass
class _Found:
    """What is collected: rows in batches, their lines and record numbers, and what is no row."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    count: int = 0
    padded: list[int] = field(default_factory=list)
    left_out: dict[str, list[int]] = field(default_factory=dict)


def _column_names(fields: Sequence[str], name: str) -> list[str]:
    """Names of the first line; empty ones, as of a saved pandas index, get a number."""
    names = [field or f"column_{i}" for i, field in enumerate(fields, start=1)]
    refuse_columns(names, name)
    return names


def _collect(
    records: Iterable[Record], first: list[str], names: list[str], path: Path, drop: bool
) -> _Found:
    """All rows as Arrow batches of strings; `first` is the line of names, [] if there is none."""
    schema = pa.schema([(name, pa.string()) for name in names])
    found, width = _Found(), len(names)
    kept: list[list[str]] = []
    for number, (line, given, _) in enumerate(records):
        found.count += 1
        fields, why = given, ""
        if len(given) != width and any(map(str.strip, given)):
            if any(map(str.strip, given[width:])):
                why = f"has {len(given)} fields instead of {width}"
                if not drop:
                    raise _no_row(line, path, why, ", or leave such rows out (--drop-bad)")
            elif len(given) < width:
                found.padded.append(line)
            fields = [*given[:width], *[""] * (width - len(given))]
        elif not any(given) or len(given) != width:
            why = "has empty fields only"
        if fields == first:
            why = "names the columns once more"
        if why:
            found.left_out.setdefault(why, []).append(line)
            continue
        kept.append(fields)
        found.lines.append(line)
        found.rows.append(number)
        if len(kept) == ROWS_PER_CHUNK:
            found.batches.append(_batch(kept, schema))
            kept = []
    found.batches.append(_batch(kept, schema))
    return found


def _no_row(line: int, path: Path, why: str, more: str = "") -> DataError:
    return DataError(
        f"Line {line} of {path.name} {why}; fix the line (a field with the delimiter in it needs "
        f"quotes), or name another delimiter (--delimiter){more}."
    )


def _batch(kept: list[list[str]], schema: pa.Schema) -> pa.RecordBatch:
    columns = zip(*kept, strict=True) if kept else ([] for _ in schema.names)
    return pa.record_batch([pa.array(column, pa.string()) for column in columns], schema=schema)


def _describe(path: Path, form: CsvFormat, rows: int, limit: int | None) -> SourceFile:
    return SourceFile(
        kind="csv",
        path=str(path.resolve()),
        sha256=of_file(path) if limit is None else "",
        rows=rows,
        encoding=form.encoding,
        bom=form.bom,
        delimiter=form.delimiter,
        quoting=form.quoting,
        skip_blanks=form.skip_blanks,
        header=form.header,
        above=form.above,
    )
