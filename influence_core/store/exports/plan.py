"""Where an export begins: one file or folder in the wanted format, and the edits by its rows.

In the source's own format that is the source itself (or, for image folders, a fresh list of its
pictures); in another format its rows are written into a scratch folder first. Everything that the
writers need to know is in a `Start`. `store.exports` is the caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt

from influence_core.data.columns import known_split
from influence_core.data.dataset import Dataset, Split
from influence_core.data.readers.csv_format import CsvFormat
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import StoreError
from influence_core.store.exports.csv_bytes import csv_format
from influence_core.store.exports.edits import Edit, ExportOptions, check_against, edits_by_row
from influence_core.store.exports.source import (
    WRITTEN,
    declared_classes,
    present_file,
    project_table,
    raw_table,
    write_table_as_csv,
    write_table_as_hf,
    write_table_as_parquet,
)

FORMATS = ("csv", "parquet", "hf", "folder")


@dataclass(frozen=True)
class Order:
    """What is to be exported.

    Attributes:
        dataset: as imported.
        edits: changes to rows of `split`.
        split: whose source is exported.
        run: id of the run behind the scores, for the manifest.
    """

    dataset: Dataset
    edits: Sequence[Edit] = ()
    split: str = "train"
    run: str | None = None


@dataclass(frozen=True)
class Pictures:
    """The pictures of an image folder: paths relative to `root`; `depth` is the class's part."""

    root: Path
    paths: tuple[str, ...]
    depth: int


@dataclass(frozen=True)
class Start:
    """What the edits apply to.

    Attributes:
        path: file or folder in the wanted format.
        edits: by its rows, from 0.
        label: name of the label column; `column` is its position.
        sha256: of the file; "" if it is a folder.
        parts: files of a folder of Parquet files.
        inner: split within a Hugging Face folder, None if it holds one data set only.
        classes: names of class numbers, None if labels are names or plain numbers.
        form: how a CSV is cut.
        pictures: of an image folder.
        native: whether it is the source itself.
        record: of the source, for the manifest.
        notes: sentences for the manifest.
    """

    path: Path
    edits: Mapping[int, Edit]
    label: str
    column: int = 0
    sha256: str = ""
    parts: tuple[str, ...] = ()
    inner: str | None = None
    classes: tuple[str, ...] | None = None
    form: CsvFormat = WRITTEN
    pictures: Pictures | None = None
    native: bool = True
    record: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def natural_format(dataset: Dataset, split: str) -> str:
    """The format that a split's source is in; for data built by a program, the one that fits."""
    kind = dataset.source.kind
    if kind == "hf":
        return "parquet" if dataset.source.files[split].parts else "hf"
    usual = {"csv": "csv", "parquet": "parquet", "folder": "folder", "hub": "hf"}
    return usual.get(kind, "csv" if dataset.modality == "text" else "parquet")


def begin(order: Order, form: str, options: ExportOptions, scratch: Path) -> Start:
    """Find or make what the edits apply to.

    Args:
        order: what is to be exported.
        form: one of `FORMATS`.
        options: `from_project` is used.
        scratch: folder for what has to be written first.

    Raises:
        MismatchError: the source is gone or changed, or an edit is about other data.
        StoreError: the format does not fit the data.
    """
    split = order.dataset.split(order.split)
    check_against(order.dataset, order.edits, order.split)
    edits = edits_by_row(order.edits)
    source = order.dataset.source
    file = None if options.from_project else present_file(order.dataset, order.split)
    if form == "folder":
        if file is None or source.kind != "folder":
            raise StoreError("Only image folders can be exported as 'folder'; choose another one.")
        return _begin_folder(order.dataset, split, file, edits, scratch)
    if (
        file is not None
        and form == natural_format(order.dataset, order.split)
        and source.kind != "hub"
    ):
        return _begin_native(order, file, edits)
    return _begin_anew(order, file, form, edits, scratch)


def _begin_native(order: Order, file: SourceFile, edits: Mapping[int, Edit]) -> Start:
    """The source as it stands."""
    source = order.dataset.source
    label = source.label_column or "label"
    start = Start(
        path=Path(file.path),
        edits=edits,
        label=label,
        column=source.columns.index(label),
        sha256=file.sha256,
        parts=file.parts,
        record=_record(file),
        notes=_shared(order.dataset, order.split),
    )
    if source.kind == "csv":
        return replace(start, form=csv_format(file))
    if source.kind == "parquet" or file.parts:
        return replace(start, classes=declared_classes(source, file))
    raw_table(order.dataset, order.dataset.split(order.split), file)  # refuses if it has changed
    return replace(start, inner=_inner(file, order.split))


def _begin_anew(
    order: Order, file: SourceFile | None, form: str, edits: Mapping[int, Edit], scratch: Path
) -> Start:
    """The rows, written into another format."""
    dataset, split = order.dataset, order.dataset.split(order.split)
    label = dataset.source.label_column or "label"
    classes: tuple[str, ...] | None
    if file is None:
        table, rows, classes = project_table(split, dataset.source), split.rows, dataset.classes
        notes: tuple[str, ...] = ("Written from the project's own copy of the rows.",)
    else:
        raw = raw_table(dataset, split, file)
        table, rows, classes = raw.table, raw.rows, raw.classes
        notes = ("Converted from another format.", *_shared(dataset, order.split))
    path = scratch / f"{split.name}.{form}"
    start = Start(
        path=path,
        edits=_renumbered(edits, rows),
        label=label,
        column=table.column_names.index(label),
        native=False,
        record={} if file is None else _record(file),
        notes=notes,
    )
    if form == "csv":
        write_table_as_csv(table, label, classes, path)
        return replace(start, sha256=of_file(path))
    if form == "parquet":
        write_table_as_parquet(table, path)
        return replace(start, sha256=of_file(path), classes=classes)
    write_table_as_hf(table, label, classes, path)
    return replace(start, classes=classes)


def _begin_folder(
    dataset: Dataset, split: Split, file: SourceFile, edits: Mapping[int, Edit], scratch: Path
) -> Start:
    """A fresh list of the pictures of an image folder, which must be those that were imported."""
    raw = raw_table(dataset, split, file)
    root = Path(str(split.image_root))
    below = Path(file.path).resolve()
    depth = len(below.relative_to(root).parts) if below.is_relative_to(root) else 0
    path = scratch / "images.csv"
    write_table_as_csv(raw.table, "label", None, path)
    paths = tuple(raw.table.column("image_path").to_pylist())
    return Start(
        path=path,
        edits=edits,
        label="label",
        column=raw.table.column_names.index("label"),
        sha256=of_file(path),
        pictures=Pictures(root, paths, depth),
        record=_record(file),
        notes=_shared(dataset, split.name),
    )


def _record(file: SourceFile) -> dict[str, Any]:
    """Plain values for the manifest."""
    return {**asdict(file), "parts": list(file.parts)}


def _inner(file: SourceFile, split: str) -> str | None:
    """The source's own name of a split in a folder of `save_to_disk`."""
    loaded = datasets.load_from_disk(file.path)
    if not isinstance(loaded, datasets.DatasetDict):
        return None
    named = {known_split(name) or name: name for name in loaded}
    return named.get(split) or named["train"]


def _renumbered(edits: Mapping[int, Edit], rows: npt.NDArray[np.int64]) -> dict[int, Edit]:
    """Edits by position in a table that holds only these records of the source."""
    place = {row: position for position, row in enumerate(rows.tolist())}
    return {place[row]: edit for row, edit in edits.items()}


def _shared(dataset: Dataset, split: str) -> tuple[str, ...]:
    """Says so if the exported file holds rows of other splits too."""
    files, kind = dataset.source.files, dataset.source.kind
    mine = files[split]
    if kind == "hub" or (kind == "hf" and not mine.parts):
        return ()  # one path for all splits, but a table of its own for each
    others = [name for name, file in files.items() if name != split and file == mine]
    if not others:
        return ()
    return (f"The source also holds the rows of {', '.join(others)}; they are as they were.",)
