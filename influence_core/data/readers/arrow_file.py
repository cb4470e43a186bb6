"""Reads Parquet files, and folders of them or of Hugging Face data sets.

All end as Arrow tables with the columns of the source; class names come from the `ClassLabel`
feature where there is one. Pictures are left encoded. `data.readers` is the caller.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.budget import refuse_growing_parquet, refuse_growing_table
from influence_core.data.columns import LABEL_NAMES
from influence_core.data.options import ReadOptions
from influence_core.data.readers.zip_file import as_packed
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.data.splitting import known_split
from influence_core.disk.fingerprint import of_file, of_files
from influence_core.errors import DataError, one_line

SUFFIXES = (".parquet", ".pq")
SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")
_SHARD = re.compile(r"-\d+-of-\d+.*$")


def looks_like_parquet(source: str) -> bool:
    """Whether the path is a Parquet file by its name."""
    return Path(source).suffix.lower() in SUFFIXES and Path(source).is_file()


def looks_like_hf(source: str) -> bool:
    """Whether it is a folder of `save_to_disk`, or one with Parquet files in it."""
    root = Path(source)
    if not root.is_dir():
        return False
    return any((root / name).is_file() for name in SAVED) or bool(_parquet_parts(root))


def read_parquet(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one Parquet file.

    Args:
        source: path.
        options: `label_column` tells whose declared classes are meant.
        limit: most rows wanted, None for all.

    Raises:
        DataError: it does not exist or is damaged.
    """
    path = Path(source)
    table = _open_parquet(path, limit)
    digest = of_file(path) if limit is None else ""
    file = SourceFile("parquet", str(path.resolve()), digest, rows=table.num_rows)
    return [as_packed(_raw(None, table, file, _declared(table, options), path.name))]


def read_hf(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read a folder: one of `save_to_disk`, or Parquet files named after their splits.

    Args:
        source: the folder.
        options: `label_column` tells whose declared classes are meant.
        limit: most rows wanted of each split, None for all.

    Raises:
        DataError: it does not exist or is damaged.
    """
    root = Path(source)
    if any((root / name).is_file() for name in SAVED):
        import datasets

        try:
            loaded = datasets.load_from_disk(str(root))
        except MemoryError:
            raise
        except Exception as error:  # Damaged Arrow and JSON files surface as almost anything.
            why = one_line(error)
            raise DataError(f"{root} is not a data set that can be loaded ({why}).") from error
        return one_table_a_split(loaded, SourceFile("hf", str(root.resolve()), ""), options, limit)
    splits: dict[str | None, list[str]] = {}
    for part in _parquet_parts(root):
        splits.setdefault(_split_of(part), []).append(part)
    if not splits:
        raise DataError(f"{root} holds no Hugging Face data set and no Parquet files.")
    raws = []
    for split, parts in splits.items():
        table = _concat([_open_parquet(root / part, limit) for part in parts], root)
        digest = of_files(root, parts) if limit is None else ""
        file = SourceFile("parquet", str(root.resolve()), digest, table.num_rows, tuple(parts))
        raws.append(_raw(split, table, file, _declared(table, options), f"{root.name}/{parts[0]}"))
    return raws


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
        why = one_line(error)
        raise DataError(f"{path} cannot be read as Parquet ({why}).") from error
    return _without_views(table)


def _without_views(table: pa.Table) -> pa.Table:
    """Strings and bytes in the older layout; Arrow cannot pick rows of views yet."""
    plain = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    for i, field in enumerate(table.schema):
        if field.type in plain:
            column = table.column(i).cast(plain[field.type])
            table = table.set_column(i, field.with_type(column.type), column)
    return table


def _concat(tables: Sequence[pa.Table], root: Path) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="default")
    except pa.ArrowException as error:
        why = one_line(error)
        raise DataError(f"The Parquet files in {root} do not fit together ({why}).") from error


def _parquet_parts(root: Path) -> list[str]:
    found = (path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES)
    return sorted(path.relative_to(root).as_posix() for path in found if path.is_file())


def _split_of(part: str) -> str | None:
    """Split of a shard: "train-00000-of-00002.parquet", "valid.parquet", "test/0000.parquet"."""
    path = Path(part)
    words = (_SHARD.sub("", path.stem), *(folder for folder in reversed(path.parts[:-1])))
    return next((split for word in words if (split := known_split(word))), None)


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
