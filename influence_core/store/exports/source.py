"""What an export starts from: the file that was imported, still the same, or rows written anew.

Into its own format a source is edited as it stands. Into another format its rows are written out
first, unedited, in the source's own columns and order; that file then takes the source's place, so
every format has one way of editing and one way back. `store.exports` is the caller.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.build import extra_names
from influence_core.data.columns import ColumnRoles, known_split
from influence_core.data.dataset import Dataset, Split
from influence_core.data.options import ReadOptions
from influence_core.data.readers.csv_format import CsvFormat
from influence_core.data.readers.registry import READERS
from influence_core.data.rows import RawTable, Watch, label_texts, prepare
from influence_core.data.source import SourceFile, SourceInfo, refuse_changed
from influence_core.errors import DataError, MismatchError, StoreError

WRITTEN = CsvFormat("utf-8", bom=False, delimiter=",", quoting=True)
BATCH = 10_000


def present_file(dataset: Dataset, split: str) -> SourceFile | None:
    """The file or folder that a split came from, checked to be what was imported.

    Returns:
        None if the data set was built by a program.

    Raises:
        MismatchError: it is gone, or has changed since the import.
    """
    file = dataset.source.files.get(split)
    if file is None:
        return None
    if dataset.source.kind == "hub":
        return file
    if not Path(file.path).exists():
        raise MismatchError(
            f"The source {file.path} is not there any more; put it back, or export the project's "
            "own copy of the rows (from_project)."
        )
    try:
        refuse_changed(file)
    except DataError as error:
        raise MismatchError(str(error)) from error
    return file


def raw_table(dataset: Dataset, split: Split, file: SourceFile) -> RawTable:
    """The source's own table, with all its columns, that this split was taken from.

    Raises:
        MismatchError: it no longer holds the split's rows.
    """
    source = dataset.source
    place = file.path if source.kind != "folder" else str(dataset.image_root)
    raws = READERS[source.kind].read(place, _options(source), None)
    named = {known_split(raw.split or "train") or raw.split: raw for raw in raws}
    of_split = {s.name: named.get(s.name) or named.get("train") or raws[0] for s in dataset}
    raw = of_split[split.name]
    if not file.sha256:
        # Splits that were cut off the same table are exported with it.
        _check_rows(raw, [s for s in dataset if of_split[s.name] is raw], source)
    return raw


def declared_classes(source: SourceInfo, file: SourceFile) -> tuple[str, ...] | None:
    """Names of the source's class numbers, None if its labels are names themselves."""
    return READERS[source.kind].read(file.path, _options(source), 1)[0].classes


def project_table(split: Split, source: SourceInfo) -> pa.Table:
    """A split's rows in the source's columns and order, labels as class numbers.

    Used where the source is gone or never was a file.
    """
    table = split.arrow()
    roles = (source.label_column, source.content_column, source.id_column, source.split_column)
    names = {kept: name for name, kept in extra_names(source.columns, roles).items()}
    names |= {split.content_column: source.content_column or split.content_column}
    names |= {"label": source.label_column or "label"}
    if source.id_column or not source.columns:
        names["id"] = source.id_column or "id"
    ours = ("id", split.content_column, "label", *split.extra_columns)
    columns = {
        names.get(name, name): table.column(name) for name in ours if name != "id" or "id" in names
    }
    order = dict.fromkeys([*(name for name in source.columns if name in columns), *columns])
    return pa.table({name: columns[name] for name in order})


def write_table_as_csv(
    table: pa.Table, label: str, classes: tuple[str, ...] | None, path: Path
) -> None:
    """Write a table as UTF-8 CSV; labels become class names.

    Raises:
        StoreError: a column holds what a CSV cannot, such as pictures.
    """
    table = table.set_column(
        table.column_names.index(label), label, label_texts(table.column(label), label, classes)
    )
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


def write_table_as_parquet(table: pa.Table, path: Path) -> None:
    """Write a table as Parquet."""
    pq.write_table(table, path, compression="zstd")


def write_table_as_hf(
    table: pa.Table, label: str, classes: tuple[str, ...] | None, path: Path
) -> None:
    """Write a table as a Hugging Face data set folder; class numbers get their names."""
    made = datasets.Dataset(datasets.table.InMemoryTable(table))
    if classes is not None and pa.types.is_integer(table.schema.field(label).type):
        made = made.cast_column(label, datasets.ClassLabel(names=list(classes)))
    save_hf(made, path)


def save_hf(data: datasets.Dataset, path: Path) -> None:
    """`save_to_disk` without its bar on the screen."""
    with _quiet():
        data.save_to_disk(str(path))


@contextmanager
def _quiet() -> Iterator[None]:
    shown = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


def _options(source: SourceInfo) -> ReadOptions:
    """The reader's options as they were; JSON has turned tuples into lists."""
    chosen = dict(source.options)
    if chosen.get("classes") is not None:
        chosen["classes"] = tuple(chosen["classes"])
    return ReadOptions(**chosen)


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
