"""The rows of a source as they were imported, and written into another format with all columns."""

import csv
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.build import extra_names
from influence_core.data.columns import ColumnRoles
from influence_core.data.dataset import Dataset, Split
from influence_core.data.labelling.split_names import our_name, renamed_splits
from influence_core.data.labelling.texts import label_texts
from influence_core.data.options import ReadOptions
from influence_core.data.readers.excel_file import read_sheet_as
from influence_core.data.readers.registry import read_again
from influence_core.data.readers.text.csv_file import form_of, read_as
from influence_core.data.readers.text.csv_format import CsvFormat
from influence_core.data.rows import RawTable, Watch, prepare
from influence_core.data.source import SourceFile, SourceInfo, refuse_changed
from influence_core.errors import DataError, MismatchError, StoreError

if TYPE_CHECKING:
    import datasets

WRITTEN = CsvFormat("utf-8", bom=False, delimiter=",")
BATCH = 10_000


def to_csv(table: pa.Table, label: str, classes: tuple[str, ...] | None, path: Path) -> None:
    """Write a table as UTF-8 CSV; labels become class names.

    Raises:
        StoreError: a column holds what a CSV cannot, such as pictures.
    """
    table = _with_names(table, label, classes)
    for name in table.column_names:
        kind = table.schema.field(name).type
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            raise StoreError(
                f"Column {name!r} holds {kind}, which a CSV cannot; export as Parquet instead."
            )
    with path.open("w", encoding=WRITTEN.encoding, newline="") as file:
        # Python before 3.13 quotes a lone "\r" only if the line end has one.
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(table.column_names)
        for batch in table.to_batches(max_chunksize=BATCH):
            columns = [
                batch.column(i).cast(pa.string()).to_pylist() for i in range(len(table.schema))
            ]
            writer.writerows(zip(*columns, strict=True))


def to_json(table: pa.Table, label: str, classes: tuple[str, ...] | None, path: Path) -> None:
    """Write a table as JSON lines; labels become class names.

    Raises:
        StoreError: a column holds what JSON cannot, such as pictures.
    """
    table = _with_names(table, label, classes)
    for name in table.column_names:
        if "binary" in str(table.schema.field(name).type):
            raise StoreError(f"Column {name!r} holds bytes; export as Parquet instead.")
    with path.open("w", encoding="utf-8", newline="") as file:
        for batch in table.to_batches(max_chunksize=BATCH):
            for row in batch.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False, default=str) + "\n")


def to_arrow(table: pa.Table, path: Path) -> None:
    """Write a table as an Arrow file."""
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=BATCH)


def to_parquet(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet."""
    pq.write_table(table, path, compression="zstd")


def to_hf(table: pa.Table, label: str, classes: tuple[str, ...] | None, path: Path) -> None:
    """Write a table as a Hugging Face data set folder; class numbers get their names."""
    import datasets

    made = datasets.Dataset(datasets.table.InMemoryTable(table))
    if classes is not None and pa.types.is_integer(table.schema.field(label).type):
        made = made.cast_column(label, datasets.ClassLabel(names=list(classes)))
    save_hf(made, path)


def save_hf(data: "datasets.Dataset", path: Path) -> None:
    """`save_to_disk` without its bar on the screen."""
    with _quiet():
        data.save_to_disk(str(path))


def _with_names(table: pa.Table, label: str, classes: tuple[str, ...] | None) -> pa.Table:
    names = label_texts(table.column(label), label, classes)
    return table.set_column(table.column_names.index(label), label, names)


def project_table(split: Split, source: SourceInfo) -> pa.Table:
    """A split's rows in the source's columns and order, labels as class numbers.

    Used where the source is gone or never was a file.
    """
    table = split.table
    roles = (source.label_column, source.content_column, source.id_column, source.split_column)
    names = {kept: name for name, kept in extra_names(source.columns, roles).items()}
    names |= {split.content_column: source.content_column or split.content_column}
    names |= {"label": source.label_column or "label"}
    if source.id_column or not source.columns:
        names["id"] = source.id_column or "id"
    ours = ["id", split.content_column, "label", *split.extra_columns]
    content = source.content_column
    if source.columns and content is not None and content not in source.columns:
        ours.remove(split.content_column)  # its parts stand there as they were
    columns = {
        names.get(name, name): table.column(name) for name in ours if name != "id" or "id" in names
    }
    order = dict.fromkeys([*(name for name in source.columns if name in columns), *columns])
    return pa.table({name: columns[name] for name in order})


def present_file(source: SourceInfo, split: str = "train") -> SourceFile | None:
    """The file or folder of a split's rows, checked to be what was imported.

    Returns:
        None if the data set was built by a program.

    Raises:
        MismatchError: it is gone, or has changed since the import.
    """
    file = source.files.get(split)
    if file is None or file.kind == "hub":
        return file
    if not Path(file.path).exists():
        raise MismatchError(
            f"The source {file.path} is not there any more; put it back, or export the project's "
            "own copy of the rows (--from-project)."
        )
    try:
        refuse_changed(file)
    except DataError as error:
        raise MismatchError(str(error)) from error
    return file


def raw_table(dataset: Dataset, file: SourceFile, split: str = "train") -> RawTable:
    """The source's own table, with all its columns, that a split's rows were taken from.

    Raises:
        MismatchError: it no longer holds these rows.
    """
    source = dataset.source
    if file.kind == "folder":
        file = replace(file, path=str(dataset.image_root))
    options = ReadOptions.of(source.options)
    if file.kind == "csv" and not file.parts and not file.packing:
        raws = [read_as(Path(file.path), form_of(file), options, None)]  # as it was read then
    elif file.kind == "xlsx" and not file.packing:
        raws = [read_sheet_as(file)]
    else:
        raws = read_again(file, replace(options, sheet=file.sheet or None), None)
    renamed = renamed_splits(options)
    named = {our_name(raw.split or "train", renamed): raw for raw in raws}
    first = named.get("train") or raws[0]  # splits were cut off it
    raw = named.get(split, first)
    if not file.sha256:
        # Splits that were cut off the same table are exported with it.
        same = [s for s in dataset if source.files[s.name].kind == file.kind]
        _check_rows(raw, [s for s in same if named.get(s.name, first) is raw], source)
    return raw


def _check_rows(raw: RawTable, splits: list[Split], source: SourceInfo) -> None:
    """Compare contents where the source has no hash of its own."""
    kind = splits[0].content_column
    roles = ColumnRoles(
        source.label_column or "label",
        source.content_column or kind,
        kind,  # type: ignore[arg-type]  # the names of kinds and columns agree
        source.id_column,
        source.split_column,
    )
    found = prepare(raw, roles, check_images=False, watch=Watch()).table
    rows = np.concatenate([split.rows for split in splits])
    wanted = np.concatenate([split.content_hashes for split in splits])
    places = np.searchsorted(raw.rows, rows)
    hashes = found.column("content_hash").to_numpy()
    if places.max(initial=-1) >= len(raw.rows) or (hashes[places] != wanted).any():
        raise MismatchError(
            f"The source {raw.file.path} has changed since it was imported; restore it, or import "
            "it again."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    import datasets

    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
