"""From plain columns to a `Dataset`: where keys, hashes and the fingerprint are made, once.

Readers, the sample builder and tests call `build_dataset`; nothing else makes a `Split` from
scratch. Columns may come as lists, NumPy arrays, pandas or Arrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from influence_core.data.dataset import (
    CONTENT_COLUMNS,
    CORE_COLUMNS,
    NO_LABEL,
    Dataset,
    Modality,
    Split,
    fingerprint_of,
    split_from_arrow,
)
from influence_core.data.keys import content_hashes, keys_from_ids, number_repeats
from influence_core.data.source import SourceInfo
from influence_core.errors import DataError

# Also a pyarrow.Table, whose type stubs are not complete enough for a strict union.
Columns = pd.DataFrame | Mapping[str, Sequence[Any] | npt.NDArray[Any]] | Any


def build_dataset(
    splits: Mapping[str, Columns],
    classes: Sequence[str],
    *,
    source: SourceInfo | None = None,
    image_root: Path | None = None,
) -> Dataset:
    """Make a data set from columns.

    Args:
        splits: by split name, columns of equal length: `label` (class numbers, -1 or null for
            none, or class names), one of `text`, `image`, `image_path`; optionally `id` (unique
            strings, the source of the keys) and `row`; others ride along.
        classes: class names in label order.
        source: where the rows came from; "memory" if None.
        image_root: folder that `image_path` is relative to.

    Returns:
        The data set, with keys, content hashes and fingerprint.

    Raises:
        DataError: a column is missing, a label is no class, or an id stands twice.
    """
    names = tuple(str(name) for name in classes)
    if len(set(names)) != len(names):
        raise DataError(f"Class names must differ, but got {list(names)}.")
    if "train" not in splits:
        raise DataError(f"A data set needs a split named 'train'; got {list(splits)}.")
    made = {name: _make_split(name, _as_arrow(splits[name]), names, image_root) for name in splits}
    kinds = {split.content_column for split in made.values()}
    if len(kinds) > 1:
        raise DataError(f"All splits must hold the same kind of content, but got {sorted(kinds)}.")
    modality: Modality = "text" if kinds == {"text"} else "image"
    return Dataset(
        splits=made,
        classes=names,
        modality=modality,
        fingerprint=fingerprint_of(made, names, modality),
        source=source or SourceInfo(kind="memory"),
    )


def _as_arrow(columns: Columns) -> pa.Table:
    if isinstance(columns, pa.Table):
        return columns
    if isinstance(columns, pd.DataFrame):
        return pa.Table.from_pandas(columns, preserve_index=False)
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _make_split(
    name: str, source: pa.Table, classes: tuple[str, ...], image_root: Path | None
) -> Split:
    content = next((c for c in CONTENT_COLUMNS if c in source.column_names), None)
    if content is None or "label" not in source.column_names:
        raise DataError(
            f"Split {name!r} needs the column 'label' and one of {list(CONTENT_COLUMNS)}; "
            f"it has {source.column_names}."
        )
    count = source.num_rows
    rows = (
        source.column("row").to_numpy().astype(np.int64)
        if "row" in source.column_names
        else np.arange(count, dtype=np.int64)
    )
    hashes = content_hashes(_contents(source.column(content), content, image_root, name))
    if "id" in source.column_names:
        ids = [str(value) for value in source.column("id").to_pylist()]
        keys = keys_from_ids(ids)
    else:
        ids = [str(row + 1) for row in rows.tolist()]
        keys = number_repeats(hashes)
    own: dict[str, Any] = {
        "key": pa.array(keys),
        "id": pa.array(ids, pa.string()),
        "label": pa.array(_labels(source.column("label"), classes, name)),
        "content_hash": pa.array(hashes),
        "row": pa.array(rows),
        content: source.column(content),
    }
    extras = [c for c in source.column_names if c not in own]
    table = pa.table(own | {c: source.column(c) for c in extras})
    # One chunk a column makes taking single rows cheap.
    return split_from_arrow(name, table.combine_chunks(), image_root)


def _contents(
    column: pa.ChunkedArray, kind: str, image_root: Path | None, split: str
) -> Iterable[str | bytes]:
    """Texts or bytes one by one; pictures on disk are read through a `Split`, one at a time."""
    if kind == "image_path":
        paths = split_from_arrow(split, pa.table({kind: column}), image_root)
        yield from (paths.image_bytes(i) for i in range(len(paths)))
        return
    position = 0
    for chunk in column.iterchunks():
        for value in chunk.to_pylist():
            if value is None:
                raise DataError(
                    f"Row {position + 1} of split {split!r} has no {kind}; fill it in or leave "
                    "the row out."
                )
            yield value
            position += 1


def _labels(column: pa.ChunkedArray, classes: tuple[str, ...], split: str) -> npt.NDArray[np.int64]:
    """Class numbers of a column of numbers or names; null becomes -1."""
    if pa.types.is_integer(column.type):
        labels = column.fill_null(NO_LABEL).to_numpy().astype(np.int64)
        wrong = np.flatnonzero((labels < NO_LABEL) | (labels >= len(classes)))
        if wrong.size:
            raise DataError(
                f"Label {labels[wrong[0]]} at row {wrong[0] + 1} of split {split!r} is no class "
                f"number; there are {len(classes)} classes, counted from 0."
            )
        return labels
    number = {name: i for i, name in enumerate(classes)}
    labels = np.empty(len(column), dtype=np.int64)
    for i, value in enumerate(column.to_pylist()):
        if value is not None and value not in number:
            raise DataError(
                f"Label {value!r} at row {i + 1} of split {split!r} is not among the classes "
                f"{list(classes)}."
            )
        labels[i] = NO_LABEL if value is None else number[value]
    return labels


def renamed_extra(name: str) -> str:
    """Name under which a source column rides along: its own, unless this package uses it."""
    return f"source_{name}" if name in (*CORE_COLUMNS, *CONTENT_COLUMNS) else name
