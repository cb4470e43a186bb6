"""Rows written into another format, unedited and with all their columns."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.readers.csv_format import CsvFormat
from influence_core.data.rows import label_texts
from influence_core.errors import StoreError

if TYPE_CHECKING:
    import datasets

WRITTEN = CsvFormat("utf-8", bom=False, delimiter=",")
BATCH = 10_000


def to_csv(table: pa.Table, label: str, classes: tuple[str, ...] | None, path: Path) -> None:
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
