"""How much a source may unfold into: a small file can promise more than any machine holds.

Readers ask here before they decode, `RawTable` asks again before anything is cast. What counts is
the size after decoding: a dictionary of one long text, named by every row, is a few bytes in a file
and in memory, and gigabytes as a plain column.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from influence_core.data.footer import sound_footer
from influence_core.errors import DataError

MOST_COLUMNS = 5_000
MOST_NAME = 1_000  # letters of a column name
MOST_NESTED = 30  # lists within lists; Parquet, which projects are kept in, ends at 50
FREE_BYTES = 1 << 30  # below this, any growth will do
MOST_GROWTH = 20  # decoded bytes for each byte of the source
_SOME_ROWS = 1024


def refuse_columns(names: Sequence[str], place: str) -> None:
    """Make sure that columns can be told apart by their names, and that there are not too many.

    Raises:
        DataError: names the column.
    """
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{place} has {len(names):,} columns, and at most {MOST_COLUMNS:,} can be read; "
            "remove those that are not needed."
        )
    long = next((name for name in names if len(name) > MOST_NAME), None)
    if long is not None:
        raise DataError(
            f"{place} has a column whose name begins with {long[:40]!r} and is {len(long):,} "
            "letters long; rename it."
        )
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f"{place} has more than one column {twice[0]!r}; rename one.")
    # Libraries in C read a name only up to there.
    cut = next((name for name in names if "\0" in name), None)
    if cut is not None:
        raise DataError(f"{place} has a NUL in the column name {cut!r}; rename it.")


def refuse_nesting(schema: pa.Schema, place: str) -> None:
    """Make sure that no column is nested so deep that Parquet, or who shows it, gives up.

    Raises:
        DataError: names the column.
    """
    for name, kind in zip(schema.names, schema.types, strict=True):
        level = [kind]
        for _ in range(MOST_NESTED + 1):
            level = [each.field(i).type for each in level for i in range(each.num_fields)]
        if level:
            raise DataError(
                f"Column {name!r} of {place} is nested more than {MOST_NESTED} deep; remove it, "
                "or save it as text."
            )


def short_list(names: Sequence[str], most: int = 10) -> str:
    """A list for a sentence: the first few names, and how many more there are."""
    shown = [name if len(name) <= 100 else f"{name[:99]}…" for name in names[:most]]
    more = len(names) - len(shown)
    return f"{shown} and {more:,} more" if more > 0 else str(shown)


def refuse_growth(decoded: int, size: int, place: str) -> None:
    """Make sure that what is decoded is not out of all proportion to its source.

    Args:
        decoded: bytes after decoding.
        size: bytes before.
        place: of the source, for the message.

    Raises:
        DataError: it is.
    """
    most = max(FREE_BYTES, MOST_GROWTH * size)
    if decoded > most:
        raise DataError(
            f"{place} would unpack to more than {most >> 20:,} MB, which its size does not "
            "explain; save it with fewer or shorter values."
        )


def refuse_growing_table(table: pa.Table, place: str) -> None:
    """The same for a table in memory whose columns are going to be made plain.

    Raises:
        DataError: it would grow too much, or holds runs, which nothing here can read.
    """
    runs = [field.name for field in table.schema if pa.types.is_run_end_encoded(field.type)]
    if runs:
        raise DataError(
            f"Column {runs[0]!r} of {place} is run-end encoded; save it as a plain column."
        )
    decoded = sum(decoded_bytes(chunk) for column in table.columns for chunk in column.iterchunks())
    refuse_growth(decoded, table.get_total_buffer_size(), place)


def decoded_bytes(array: pa.Array) -> int:
    """Bytes of an array once no value is shared between rows."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        return _dictionary_bytes(array.dictionary, array.indices)
    if pa.types.is_struct(kind):
        return sum(decoded_bytes(array.field(i)) for i in range(kind.num_fields))
    if pa.types.is_map(kind):
        return decoded_bytes(array.keys) + decoded_bytes(array.items)
    if isinstance(array, pa.ListArray | pa.LargeListArray | pa.FixedSizeListArray):
        return decoded_bytes(array.flatten())
    if kind in (pa.string_view(), pa.binary_view()):
        views = np.frombuffer(array.buffers()[1], np.int32).reshape(-1, 4)  # length first
        return int(views[array.offset : array.offset + len(array), 0].sum(dtype=np.int64))
    return int(array.nbytes)


def _dictionary_bytes(values: pa.Array, indices: pa.Array) -> int:
    if not len(values):
        return 0
    if _is_binary(values.type):
        return pc.sum(pc.take(pc.binary_length(values), indices)).as_py() or 0
    return -(-int(values.nbytes) // len(values)) * len(indices)


def refuse_growing_parquet(path: Path, limit: int | None) -> None:
    """The same for a Parquet file, whose columns repeat values by dictionaries and runs.

    Nothing is made plain here: columns that could grow are read as dictionaries, a few rows at a
    time. Of the footer only what it says of too much is believed.

    Args:
        path: of the file.
        limit: most rows that are going to be read, or None.

    Raises:
        DataError: its columns would grow too much, or there are too many, or it is damaged.
    """
    size = path.stat().st_size
    footer = sound_footer(path)
    refuse_columns(footer.schema.to_arrow_schema().names, path.name)
    widths = [max(8, footer.schema.column(i).length) for i in range(footer.num_columns)]
    known, may_grow = 0, set()
    for group in map(footer.row_group, range(footer.num_row_groups)):
        for i, width in enumerate(widths):
            chunk = group.column(i)
            stored, values = chunk.total_uncompressed_size, chunk.num_values
            if chunk.physical_type != "BYTE_ARRAY":
                known += width * values
                continue
            known += stored
            if stored * values > FREE_BYTES:
                may_grow.add(footer.schema.column(i).path)
    refuse_growth(known, size, path.name)
    if not may_grow:
        return
    rows, paths = 0, sorted(may_grow)
    with pq.ParquetFile(path, read_dictionary=paths) as shared:
        for batch in shared.iter_batches(_SOME_ROWS, columns=paths):
            kept = batch if limit is None else batch.slice(0, limit - rows)
            rows += len(kept)
            known += sum(map(decoded_bytes, kept.columns))
            refuse_growth(known, size, path.name)
            if rows == limit:
                return


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )
