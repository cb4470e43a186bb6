"""From plain columns to a `Dataset`: where keys, hashes and the fingerprint are made, once.

Readers, the sample builder and tests call `build_dataset`; nothing else makes a `Split` from
scratch. Columns may come as lists, NumPy arrays, pandas or Arrow.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from influence_core.data.budget import short_list
from influence_core.data.dataset import (
    CONTENT_COLUMNS,
    CORE_COLUMNS,
    NO_LABEL,
    Dataset,
    Modality,
    Split,
    fingerprint_of,
)
from influence_core.data.keys import content_hashes, keys_from_ids, number_repeats
from influence_core.data.options import ALL_COLUMNS
from influence_core.data.source import SourceInfo
from influence_core.errors import DataError

# Also a pyarrow.Table, whose type stubs are not complete enough for a strict union.
Columns = pd.DataFrame | Mapping[str, Sequence[Any] | npt.NDArray[Any]] | Any

# A split's name is a file name in the project.
SPLIT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def build_dataset(
    splits: Mapping[str, Columns],
    classes: Sequence[str],
    *,
    source: SourceInfo | None = None,
    image_root: Path | None = None,
    repeated_ids: bool = False,
    unlabelled: Mapping[str, Columns] | None = None,
) -> Dataset:
    """Make a data set from columns.

    Args:
        splits: by split name, columns of equal length: `label` (class numbers, -1 or null for
            none, or class names), one of `text`, `image`, `image_path`; optionally `id` (unique
            strings, the source of the keys), `row`, and `content_hash` if it was made before;
            others ride along.
        classes: class names in label order.
        source: where the rows came from; None if they were made by a program.
        image_root: folder that `image_path` is relative to.
        repeated_ids: let equal ids pass, numbered like equal contents, for `data.checks` to find.
        unlabelled: the same columns of splits without any label, which are kept for prediction.

    Returns:
        The data set, with keys, content hashes and fingerprint.

    Raises:
        DataError: a column is missing, a label is no class, or an id stands twice.
    """
    names = tuple(str(name) for name in classes)
    if len(set(names)) != len(names):
        raise DataError(f"Class names must differ, but got {short_list(names)}.")
    if "train" not in splits:
        raise DataError(f"A data set needs a split named 'train'; got {list(splits)}.")
    made = _made(splits, names, image_root, repeated_ids)
    # Ids of rows that nobody decides about need not differ.
    kept = _made(unlabelled or {}, names, image_root, repeated_ids=True)
    kinds = {split.content_column for split in (*made.values(), *kept.values())}
    if len(kinds) > 1:
        raise DataError(f"All splits must hold the same kind of content, but got {sorted(kinds)}.")
    modality: Modality = "text" if kinds == {"text"} else "image"
    if modality == "text" and source is not None and source.content_column == ALL_COLUMNS:
        modality = "table"
    return Dataset(
        splits=made,
        classes=names,
        modality=modality,
        fingerprint=fingerprint_of(made, names, modality),
        source=replace(
            source or SourceInfo(), unlabelled={name: len(split) for name, split in kept.items()}
        ),
        unlabelled=kept,
    )


def _made(
    splits: Mapping[str, Columns],
    classes: tuple[str, ...],
    image_root: Path | None,
    repeated_ids: bool,
) -> dict[str, Split]:
    made = {}
    for name, columns in splits.items():
        if not SPLIT_NAME.fullmatch(name):
            raise DataError(
                f"{name!r} cannot be the name of a split; use letters, digits, '-' and '_'."
            )
        table = _with_labels(_as_arrow(columns), classes, name)
        made[name] = _make_split(name, table, image_root, repeated_ids)
    return made


def _as_arrow(columns: Columns) -> pa.Table:
    if isinstance(columns, pa.Table):
        return columns
    if isinstance(columns, pd.DataFrame):
        return pa.Table.from_pandas(columns, preserve_index=False)
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def _with_labels(source: pa.Table, classes: tuple[str, ...], split: str) -> pa.Table:
    if "label" not in source.column_names:
        raise DataError(
            f"Split {split!r} needs a column 'label'; it has {short_list(source.column_names)}."
        )
    labels = pa.array(_labels(source.column("label"), classes, split))
    return source.set_column(source.column_names.index("label"), "label", labels)


def _make_split(name: str, source: pa.Table, image_root: Path | None, repeated_ids: bool) -> Split:
    content = next((c for c in CONTENT_COLUMNS if c in source.column_names), None)
    if content is None:
        raise DataError(
            f"Split {name!r} needs one of the columns {list(CONTENT_COLUMNS)}; it has "
            f"{short_list(source.column_names)}."
        )
    own = {"row": pa.array(np.arange(source.num_rows, dtype=np.int64))}
    own |= {c: source.column(c) for c in source.column_names if c in own}
    if "content_hash" in source.column_names:
        hashes = source.column("content_hash").to_numpy()
    else:
        hashes = content_hashes(_contents(source.column(content), content, image_root, name))
    if "id" in source.column_names:
        ids = [str(value) for value in source.column("id").to_pylist()]
        keys = keys_from_ids(ids, repeated=repeated_ids)
    else:
        ids = [str(row + 1) for row in own["row"].to_pylist()]
        keys = number_repeats(hashes)
    own = {
        "key": pa.array(keys),
        "id": pa.array(ids, pa.string()),
        "label": source.column("label"),
        "content_hash": pa.array(hashes),
        **own,
        content: source.column(content),
    }
    extras = {c: source.column(c) for c in source.column_names if c not in own}
    # One chunk a column makes taking single rows cheap.
    return Split(name, pa.table(own | extras).combine_chunks(), image_root)


def _contents(
    column: pa.ChunkedArray, kind: str, image_root: Path | None, split: str
) -> Iterable[str | bytes]:
    """Texts or bytes one by one; pictures on disk are read through a `Split`, one at a time."""
    if kind == "image_path":
        paths = Split(split, pa.table({kind: column}), image_root)
        yield from (paths.image_bytes(i) for i in range(len(paths)))
        return
    position = 0
    for chunk in column.iterchunks():
        for value in chunk.to_pylist():
            if value is None:
                raise DataError(
                    f"Row {position + 1} of split {split!r} has no {kind}; fill it in or remove "
                    "the row."
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
                f"{short_list(classes)}."
            )
        labels[i] = NO_LABEL if value is None else number[value]
    return labels


def extra_names(columns: Sequence[str], roles: Collection[str | None]) -> dict[str, str]:
    """Names under which the source's other columns are kept: their own, unless we use it.

    A column that is called like one of ours gets `source_` in front, as often as it takes to meet
    no other column, so every column stays and the names lead back.

    Args:
        columns: of the source.
        roles: those among them that are label, content, id or split.
    """
    others = [name for name in columns if name not in roles]
    taken, names = {*CORE_COLUMNS, *CONTENT_COLUMNS, *others}, {}
    for name in others:
        kept = name
        while kept in (*CORE_COLUMNS, *CONTENT_COLUMNS) or (kept != name and kept in taken):
            kept = f"source_{kept}"
        taken.add(kept)
        names[name] = kept
    return names
