"""Reads Parquet and Arrow (Feather) files, and folders that `datasets` saved.

All end as Arrow tables with the columns of the source; class names come from the `ClassLabel`
feature where there is one. Pictures are left encoded. `data.readers` is the caller.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.budget import (
    refuse_growing_parquet,
    refuse_growing_table,
    refuse_growth,
)
from influence_core.data.columns import LABEL_NAMES
from influence_core.data.footer import unreadable
from influence_core.data.options import ReadOptions
from influence_core.data.readers.zip_file import as_packed
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError, one_line

SUFFIXES = (".parquet", ".pq")
ARROW_SUFFIXES = (".arrow", ".feather", ".ipc")
SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")


def looks_like_hf(source: str) -> bool:
    """Whether it is a folder of `save_to_disk`."""
    return any((Path(source) / name).is_file() for name in SAVED)


def read_parquet(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one Parquet file.

    Args:
        source: path.
        options: `label_column` tells whose declared classes are meant.
        limit: most rows wanted, None for all.

    Raises:
        DataError: it does not exist or is damaged.
    """
    raw = _of_file("parquet", Path(source), _open_parquet(Path(source), limit), options, limit)
    return [as_packed(raw)]


def read_arrow(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one Arrow file or stream, such as Feather; arguments and errors as `read_parquet`."""
    return [_of_file("arrow", Path(source), _open_arrow(Path(source), limit), options, limit)]


def read_hf(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read a folder of `save_to_disk`.

    Args:
        source: the folder.
        options: `label_column` tells whose declared classes are meant.
        limit: most rows wanted of each split, None for all.

    Raises:
        DataError: it does not exist or is damaged.
    """
    import datasets

    root = Path(source)
    try:
        loaded = datasets.load_from_disk(str(root))
    except MemoryError:
        raise
    except Exception as error:  # Damaged Arrow and JSON files surface as almost anything.
        why = one_line(error)
        raise DataError(f"{root} is not a data set that can be loaded ({why}).") from error
    return one_table_a_split(loaded, SourceFile("hf", str(root.resolve()), ""), options, limit)


def one_table_a_split(
    loaded: Any,
    file: SourceFile,
    options: ReadOptions,
    limit: int | None,
    change: Callable[[pa.Table, Any], pa.Table] = lambda table, features: table,
) -> list[RawTable]:
    """Tables of what the `datasets` library has loaded, after a `change` by their features.

    Args:
        loaded: one split, or several by name.
        file: where all of it comes from.
        options: `label_column` tells whose declared classes are meant.
        limit: most rows wanted of each split, None for all.
        change: what a table of these features becomes.

    Raises:
        DataError: its rows are damaged.
    """
    import datasets

    named = dict(loaded) if isinstance(loaded, datasets.DatasetDict) else {None: loaded}
    raws = []
    for split, data in named.items():
        part = data if limit is None else data.select(range(min(limit, len(data))))
        table = part.with_format("arrow")[:] if len(part) else part.data.table.slice(0, 0)
        try:
            table.validate(full=True)
        except pa.ArrowException as error:
            raise DataError(f"{file.path} holds damaged rows ({one_line(error)}).") from error
        table = change(table, data.features)
        classes = _label_names(
            {n: f.names for n, f in data.features.items() if isinstance(f, datasets.ClassLabel)},
            options,
        )
        place = f"split {split!r} of {file.path}" if split else file.path
        raws.append(_raw(split, table, replace(file, rows=len(table)), classes, place))
    return raws


def _of_file(
    kind: str, path: Path, table: pa.Table, options: ReadOptions, limit: int | None
) -> RawTable:
    digest = of_file(path) if limit is None else ""
    file = SourceFile(kind, str(path.resolve()), digest, rows=table.num_rows)
    return _raw(None, table, file, _declared(table, options), path.name)


def _raw(
    split: str | None,
    table: pa.Table,
    file: SourceFile,
    classes: tuple[str, ...] | None,
    name: str,
) -> RawTable:
    if not table.num_rows:
        raise DataError(f"{name} has no rows.")
    rows = np.arange(table.num_rows, dtype=np.int64)
    return RawTable(split, table, file, lambda i: f"row {i + 1} of {name}", rows, classes)


def _open_parquet(path: Path, limit: int | None) -> pa.Table:
    try:
        refuse_growing_parquet(path, limit)
        with pq.ParquetFile(path) as file:
            if limit is None:
                table = file.read()
            else:
                table = pa.Table.from_batches(
                    islice(file.iter_batches(limit), 1), file.schema_arrow
                )
            # Arrow trusts its files: text that is not UTF-8 would surface much later.
            table.validate(full=True)
        refuse_growing_table(table, path.name)
    except MemoryError:
        raise  # one of Arrow's own, too
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
    return without_views(table)


def arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """An Arrow file or stream, batch by batch; first an empty one, which has its schema.

    Raises:
        DataError: its batches would unfold to too much, or it is of the first version of Feather.
        pyarrow.ArrowException: it is damaged.
    """
    decoded, size = 0, path.stat().st_size
    with pa.OSFile(str(path)) as file:
        magic = file.read(6)
        file.seek(0)
        if magic[:4] == b"FEA1":
            raise DataError(f"{path.name} is a Feather file of version 1; save it again.")
        if magic == b"ARROW1":
            opened = pa.ipc.open_file(file)
            batches = map(opened.get_batch, range(opened.num_record_batches))
        else:
            opened = batches = pa.ipc.open_stream(file)
        yield pa.RecordBatch.from_pylist([], opened.schema)
        for batch in batches:
            decoded += batch.get_total_buffer_size()  # `nbytes` knew no views before Arrow 24
            refuse_growth(decoded, size, path.name)
            yield batch


def _open_arrow(path: Path, limit: int | None) -> pa.Table:
    held, rows = [], 0
    try:
        for batch in arrow_batches(path):
            held.append(batch if limit is None else batch.slice(0, limit - rows))
            rows += len(held[-1])
            if rows == limit:
                break
        table = pa.Table.from_batches(held)
        table.validate(full=True)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        why = one_line(error)
        raise DataError(f"{path} cannot be read as an Arrow file ({why}).") from error
    return without_views(table)


def without_views(table: pa.Table) -> pa.Table:
    """Strings and bytes in the older layout; Arrow cannot pick rows of views yet."""
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for i, field in enumerate(table.schema):
        if field.type in plain:
            column = table.column(i).cast(plain[field.type])
            table = table.set_column(i, field.with_type(column.type), column)
    return table


def _declared(table: pa.Table, options: ReadOptions) -> tuple[str, ...] | None:
    """Class names from the note that the `datasets` library leaves in a Parquet schema."""
    try:
        note = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = note["info"]["features"]
        names = {n: f["names"] for n, f in features.items() if f.get("_type") == "ClassLabel"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return _label_names(names, options)


def _label_names(names: dict[str, Any], options: ReadOptions) -> tuple[str, ...] | None:
    usual = next((name for name in LABEL_NAMES if name in names), None)
    chosen = names.get(options.label_column or usual or "")
    # In a file that a stranger made it may be anything.
    if not isinstance(chosen, list) or not all(isinstance(name, str) for name in chosen):
        return None
    return tuple(chosen)
