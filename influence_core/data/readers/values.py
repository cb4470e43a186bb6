"""Values of Python, as JSON and workbooks hold them, become the columns of a table.

A column of one type keeps it; one of mixed types becomes text, each value as JSON writes it, so
that 1 and "1" are one label and nothing is lost. JSON and Excel readers call this.
"""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.budget import refuse_columns

ROWS_PER_CHUNK = 50_000


def to_table(rows: Iterable[Mapping[str, Any]], place: str) -> pa.Table:
    """All rows as a table; a value that a row lacks is null there.

    Args:
        rows: values by column.
        place: of the source, for errors.

    Raises:
        DataError: there are too many columns.
    """
    chunks: dict[str, list[pa.Array]] = {}
    done, rows = 0, iter(rows)
    while batch := list(islice(rows, ROWS_PER_CHUNK)):
        names = dict.fromkeys([*chunks, *(name for row in batch for name in row)])
        refuse_columns(list(names), place)
        for name in names:
            arrays = chunks.setdefault(name, [pa.nulls(done)])
            arrays.append(_array([row.get(name) for row in batch]))
        done += len(batch)
    return pa.table({name: _joined(arrays) for name, arrays in chunks.items()})


def value_text(value: Any) -> str:
    """A value in a column of texts."""
    if isinstance(value, dict | list | bool | int | float):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def label_of(value: Any) -> str | None:
    """A value as the name of the class that a label column reads from it."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None if value is None else value_text(value)


def like(name: str, old: Any) -> Any:
    """A class name as a value of the type that stands in its place."""
    if isinstance(old, str) or old is None:
        return name
    try:
        value = json.loads(name)
    except ValueError:
        return name
    return value if isinstance(value, bool | int | float) else name


def _array(values: list[Any]) -> pa.Array:
    try:
        array = pa.array(values, from_pandas=True)  # NaN is nothing
        if not pa.types.is_nested(array.type) or _can_be_kept(array.type):
            return array
    except (pa.ArrowException, OverflowError):
        pass
    texts = [None if pd.api.types.is_scalar(v) and pd.isna(v) else value_text(v) for v in values]
    return pa.array(texts, pa.string())


def _can_be_kept(kind: pa.DataType) -> bool:
    """Whether a project can hold it: an object without any member is no column of a table."""
    try:
        pq.write_table(pa.table({"x": pa.array([], kind)}), pa.BufferOutputStream())
    except pa.ArrowException:
        return False
    return True


def _joined(arrays: list[pa.Array]) -> pa.ChunkedArray:
    tables = [pa.table({"x": array}) for array in arrays]
    try:
        return pa.concat_tables(tables, promote_options="permissive").column("x")
    except pa.ArrowException:
        texts = [
            [None if v is None else value_text(v) for v in array.to_pylist()] for array in arrays
        ]
        return pa.chunked_array(texts, pa.string())
