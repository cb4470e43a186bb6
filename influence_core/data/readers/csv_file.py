"""Reads CSV and tab-separated text; every value stays the text that it is in the file.

No number is parsed and no word means "missing": "007", "NA" and "1e5" are labels like any other.
Only an empty field is nothing. `data.readers` is the caller.
"""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from influence_core.data.budget import refuse_columns
from influence_core.data.options import ReadOptions
from influence_core.data.readers.csv_format import CsvFormat, Record, detect_format, read_records
from influence_core.data.rows import LeftOut, RawTable
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError

SUFFIXES = (".csv", ".tsv", ".tab", ".txt")
ROWS_PER_CHUNK = 50_000


def looks_like_csv(source: str) -> bool:
    """Whether the path is a file with a usual name for such text."""
    return Path(source).suffix.lower() in SUFFIXES and Path(source).is_file()


def read_csv(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one file.

    Args:
        source: path.
        options: `encoding`, `delimiter`, `quoting` and `bad_rows` are used.
        limit: most rows wanted, None for all.

    Raises:
        DataError: the file is unreadable, empty or ragged, or its quotes are broken.
    """
    path = Path(source)
    if not path.is_file():
        raise DataError(f"{path} does not exist or is no file; check the path.")
    form = detect_format(
        path, encoding=options.encoding, delimiter=options.delimiter, quoting=options.quoting
    )
    records = (record for record in read_records(path, form) if record.fields)
    header = next(records, None)
    if header is None:
        raise DataError(f"{path.name} is empty; it needs a line of column names and rows below it.")
    names = _column_names(header.fields, path.name)
    table, lines, rows, dropped = _collect(islice(records, limit), names, path, options)
    if not rows.size:
        raise DataError(f"{path.name} has column names but no rows.")
    return [
        RawTable(
            split=None,
            table=table,
            file=_describe(path, form, rows.size + dropped, limit),
            place=lambda i: f"line {lines[i]} of {path.name}",
            rows=rows,
            image_root=path.parent,
            left_out=(LeftOut("has another number of fields", dropped, ()),) * bool(dropped),
        )
    ]


def _column_names(fields: Sequence[str], name: str) -> list[str]:
    """Names of the first line; empty ones, as of a saved pandas index, get a number."""
    names = [field or f"column_{i}" for i, field in enumerate(fields, start=1)]
    refuse_columns(names, name)
    return names


def _collect(
    records: "islice[Record]", names: list[str], path: Path, options: ReadOptions
) -> tuple[pa.Table, np.ndarray, np.ndarray, int]:
    """All rows as an Arrow table of strings, their lines, their record numbers, and how many of
    the wrong width were left out."""
    schema = pa.schema([(name, pa.string()) for name in names])
    batches: list[pa.RecordBatch] = []
    kept: list[list[str]] = []
    lines: list[int] = []
    rows: list[int] = []
    count = 0
    for count, record in enumerate(records, start=1):
        if len(record.fields) != len(names):
            if options.bad_rows != "drop":
                raise DataError(
                    f"Line {record.line} of {path.name} has {len(record.fields)} fields instead of "
                    f"{len(names)}; fix the line (a field with the delimiter in it needs quotes), "
                    "or choose to leave such rows out."
                )
            continue
        kept.append(record.fields)
        lines.append(record.line)
        rows.append(count - 1)
        if len(kept) == ROWS_PER_CHUNK:
            batches.append(_batch(kept, schema))
            kept = []
    batches.append(_batch(kept, schema))
    table = pa.Table.from_batches(batches, schema)
    return table, np.array(lines), np.array(rows, dtype=np.int64), count - len(rows)


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
    )
