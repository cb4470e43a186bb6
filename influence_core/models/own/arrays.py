"""A user's features, whatever file they stand in: their shape, their ids, and their rows in blocks.

`open_features` is the door. A kind of file is one line in `_KINDS`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.budget import refuse_growing_parquet, short_list
from influence_core.errors import DataError
from influence_core.models.own.raw import RawArray, cut_short, open_npy, open_npz, open_safetensors

Block = npt.NDArray[Any]
NAMES = ("features", "embeddings", "embedding", "proba", "probabilities")
IDS = ("ids", "id")
CLASSES = "classes"
ROWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class OwnArray:
    """Numbers for rows.

    Attributes:
        name: of the file, for people.
        rows: how many there are, each of `dim` numbers.
        blocks: gives them, (n, dim) after (n, dim); may be called again.
        ids: of the rows, as text, if the file names them.
        columns: names of the columns, if the file has such.
    """

    name: str
    rows: int
    dim: int
    blocks: Callable[[], Iterator[Block]]
    ids: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ()


def open_features(
    given: str, folder: Path, id_column: str | None = None, classes: Sequence[str] = ()
) -> OwnArray:
    """Open a file of numbers; of .npy, safetensors and Parquet no more than the beginning is read.

    Args:
        given: its path.
        folder: where what is packed may be unpacked; stays needed as long as the array.
        id_column: how the source calls its ids, which a table may call so, too.
        classes: names of columns that a table may have, one number in each, in place of lists.

    Raises:
        DataError: it is missing, damaged, or holds no array of numbers, (rows, numbers a row).
    """
    path = Path(given).expanduser()
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise DataError(
            f"Features are read from {', '.join(SUFFIXES)}, or from a column of lists of the data; "
            f"{path.name} is none of these."
        )
    if not path.is_file():
        raise DataError(f"{given} does not exist, or is no file; check the path of the features.")
    try:
        if kind == ".parquet":
            return _parquet(path, id_column, classes)
        return _KINDS[kind](path, folder)
    except OSError as error:
        raise DataError(f"{path.name} cannot be read ({error.strerror}).") from error


def of_column(name: str, column: pa.ChunkedArray) -> OwnArray:
    """A column of lists of numbers, of as many in each row.

    Raises:
        DataError: it is no such column.
    """
    if not holds_lists(column.type):
        raise DataError(
            f"Column {name!r} holds {column.type}; features are lists of numbers, or a file "
            f"({', '.join(SUFFIXES)})."
        )

    def blocks() -> Iterator[Block]:
        seen = 0
        for chunk in column.iterchunks():
            for start in range(0, len(chunk), ROWS_AT_ONCE):
                part = chunk.slice(start, ROWS_AT_ONCE)
                yield _numbers(part, f"Column {name!r}", seen, dim)
                seen += len(part)

    dim = _dim(column, f"Column {name!r}")
    return OwnArray(f"column {name!r}", len(column), dim, blocks)


def holds_lists(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (lists or pa.types.is_fixed_size_list(kind)):
        return False
    inner = kind.value_type
    return bool(pa.types.is_floating(inner) or pa.types.is_integer(inner))


def _npy(path: Path, folder: Path) -> OwnArray:
    return _of_raw({"": open_npy(path, path.name)}, path.name)


def _npz(path: Path, folder: Path) -> OwnArray:
    return _of_raw(open_npz(path, path.name, folder), path.name)


def _safetensors(path: Path, folder: Path) -> OwnArray:
    return _of_raw(open_safetensors(path, path.name), path.name)


_KINDS: Mapping[str, Callable[[Path, Path], OwnArray]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
}
SUFFIXES = (*_KINDS, ".parquet")


def _of_raw(arrays: Mapping[str, RawArray], name: str) -> OwnArray:
    """Among several, the one of the usual name, or the only one of two dimensions."""
    ids = next((arrays[key] for key in IDS if key in arrays), None)
    named = [key for key in NAMES if key in arrays]
    likely = named or [key for key, array in arrays.items() if len(array.shape) == 2]
    if not likely and len(arrays) == 1:
        likely = list(arrays)
    if len(likely) != 1 and not named:
        raise DataError(
            f"{name} holds {short_list(list(arrays))}, and it cannot be told which of these are "
            f"meant; call the array {NAMES[0]!r}."
        )
    found = arrays[likely[0]]
    if len(found.shape) != 2 or not all(found.shape):
        raise DataError(
            f"{name} holds an array of shape {found.shape}; it needs (rows, numbers a row)."
        )
    if found.dtype.kind not in "fiub":
        raise DataError(f"{name} holds {found.dtype}; save numbers, such as float32.")
    rows, dim = found.shape
    told = None if ids is None else _texts(ids, rows)
    columns = _texts(arrays[CLASSES], dim) if CLASSES in arrays else ()
    return OwnArray(name, rows, dim, found.blocks, told, columns)


def _texts(ids: RawArray, count: int) -> tuple[str, ...]:
    if ids.shape != (count,):
        raise DataError(f"{ids.name} names {ids.shape} of the {count:,} rows or columns it has.")
    return tuple(str(value) for block in ids.blocks() for value in block.tolist())


def _parquet(path: Path, id_column: str | None, classes: Sequence[str]) -> OwnArray:
    try:
        refuse_growing_parquet(path, None)
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    except pa.ArrowException as error:
        raise DataError(f"{path.name} is no Parquet file that can be read.") from error
    columns = list(classes) if classes and {*classes} <= {*schema.names} else []
    read = columns or [_column(schema, path.name)]
    names = [name for name in (id_column, *IDS) if name is not None and name in schema.names]
    ids = _parquet_ids(path, names[0]) if names else None

    def blocks() -> Iterator[Block]:
        seen = 0
        try:
            for batch in pq.ParquetFile(path).iter_batches(ROWS_AT_ONCE, columns=read):
                yield (
                    _stacked(batch, columns)
                    if columns
                    else (_numbers(batch.column(0), path.name, seen, dim))
                )
                seen += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise cut_short(path.name) from error

    first = next(pq.ParquetFile(path).iter_batches(1, columns=read), None)
    dim = len(columns)
    if not columns:
        dim = 0 if first is None else _dim(pa.chunked_array([first.column(0)]), path.name)
    return OwnArray(path.name, file.metadata.num_rows, dim, blocks, ids, tuple(columns))


def _stacked(batch: pa.RecordBatch, columns: list[str]) -> Block:
    """(n, dim) of columns of one number each; what is no number is NaN."""
    return np.stack(
        [np.asarray(batch.column(name).cast(pa.float64()).fill_null(np.nan)) for name in columns],
        axis=1,
    )


def _column(schema: pa.Schema, name: str) -> str:
    """The column of features in a table."""
    lists = [field.name for field in schema if holds_lists(field.type)]
    chosen = [column for column in NAMES if column in lists] or lists
    if not chosen or (len(lists) > 1 and chosen == lists):
        has = short_list(lists) if lists else "none"
        raise DataError(
            f"{name} needs one column of lists of numbers, and has {has}; call it {NAMES[0]!r}."
        )
    return chosen[0]


def _parquet_ids(path: Path, column: str) -> tuple[str, ...]:
    values = pq.read_table(path, columns=[column]).column(column)
    return tuple(str(value) for value in values.to_pylist())


def _dim(column: pa.ChunkedArray, name: str) -> int:
    first = next((value for value in column.slice(0, 1).to_pylist()), None)
    if not first:
        raise DataError(f"{name} has no features in its first row; each row needs its list.")
    return len(first)


def _numbers(part: pa.Array, name: str, before: int, dim: int) -> Block:
    """(n, dim) of lists that must all be as long."""
    lengths = np.asarray(part.value_lengths().fill_null(-1)) if not _fixed(part) else None
    if lengths is not None and (lengths != dim).any():
        row = int((lengths != dim).argmax())
        what = "no list" if lengths[row] < 0 else f"{lengths[row]} numbers"
        raise DataError(
            f"Row {before + row + 1} of {name} has {what}, the first one {dim}; each row needs as "
            "many."
        )
    if part.null_count:
        raise DataError(f"{name} has a row without a list; each row needs one.")
    values = part.flatten()
    if values.null_count:
        values = values.cast(pa.float64()).fill_null(float("nan"))
    return np.asarray(values).reshape(len(part), dim)


def _fixed(part: pa.Array) -> bool:
    return bool(pa.types.is_fixed_size_list(part.type))
