"""Everything about an export that is known before it is written: `make_plan` resolves it once.

An export begins with one file or folder in the format that is asked for. In the source's own
format that is the source itself (or, for image folders, a fresh list of its pictures). In another
format its rows are first written unedited, with all columns, into a scratch folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from influence_core.data.build import extra_names
from influence_core.data.columns import ColumnRoles
from influence_core.data.dataset import Dataset, Split
from influence_core.data.options import ReadOptions
from influence_core.data.readers.csv_file import form_of, read_as
from influence_core.data.readers.csv_format import CsvFormat
from influence_core.data.readers.registry import READERS, Reader
from influence_core.data.rows import RawTable, Watch, prepare
from influence_core.data.source import SourceFile, SourceInfo, refuse_changed
from influence_core.data.splitting import known_split
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError, MismatchError, StoreError
from influence_core.store.exports.convert import WRITTEN, to_csv, to_hf, to_parquet
from influence_core.store.exports.edits import Edit, ExportOptions, edits_by_row
from influence_core.store.exports.listing import LISTING, Pictures, list_folder, list_zip

FORMATS = {
    "csv": "CSV",
    "parquet": "Parquet",
    "hf": "Hugging Face dataset folder",
    "folder": "Image folder",
}


@dataclass(frozen=True)
class ExportPlan:
    """What is exported, into what, with which edits.

    Attributes:
        path: file or folder that is edited, in the export's format.
        edits: by record of `path`, from 0, in that order.
        form: one of `FORMATS`.
        options: of the export.
        label: name of the label column; `column` is its position.
        sha256: of the file; "" if `path` is a folder.
        parts: files of a folder of Parquet files.
        inner: split within a Hugging Face folder, None if it holds one data set only.
        classes: names of class numbers, None if labels are names or plain numbers.
        csv: how a CSV is cut into fields.
        pictures: of an image folder.
        file: the source, None for the project's own rows.
        notes: sentences for the manifest.
        joined: class of each label of the source that has another name in the project.
    """

    path: Path
    edits: Mapping[int, Edit]
    form: str = "csv"
    options: ExportOptions = field(default_factory=ExportOptions)
    label: str = "label"
    column: int = 0
    sha256: str = ""
    parts: tuple[str, ...] = ()
    inner: str | None = None
    classes: tuple[str, ...] | None = None
    csv: CsvFormat = WRITTEN
    pictures: Pictures | None = None
    file: SourceFile | None = None
    notes: tuple[str, ...] = ()
    joined: Mapping[str, str | None] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        """Whether the export is a folder rather than a file."""
        return self.form in ("hf", "folder") or bool(self.parts)

    @property
    def record(self) -> dict[str, Any]:
        """The source for the manifest, which is sent to others: by its name, not its place."""
        if self.file is None:
            return {}
        # Its hash tells more surely than its folder which file it was.
        name = Path(self.file.path).name if self.file.path else ""
        return {**asdict(self.file), "path": name, "parts": list(self.file.parts)}


def natural_format(dataset: Dataset) -> str:
    """The format of the training rows' source; for data built by a program, the one that fits."""
    file = dataset.source.files.get("train")
    if file is None:
        return "csv" if dataset.modality == "text" else "parquet"
    return {"hub": "hf", "zip": "folder"}.get(file.kind, file.kind)


def make_plan(
    dataset: Dataset,
    edits: Sequence[Edit],
    form: str | None,
    options: ExportOptions,
    scratch: Path,
) -> ExportPlan:
    """Find or make what the edits apply to.

    Args:
        dataset: as imported; its training rows are exported.
        edits: changes to training rows.
        form: one of `FORMATS`; None means the source's own.
        options: of the export.
        scratch: folder for what has to be written first.

    Raises:
        MismatchError: the source is gone or changed, or an edit is about other data.
        StoreError: the format or an option does not fit the data.
    """
    form = form or natural_format(dataset)
    _check(form, options)
    file = None if options.from_project else _present_file(dataset.source)
    by_row = edits_by_row(dataset, edits)
    joined = {} if file is None else dataset.source.joined
    if file is not None and dataset.source.numbered:
        names = tuple(dataset.source.options["classes"])
        by_row = {row: _by_number(edit, names) for row, edit in by_row.items()}
        joined = {_number(old, names) or "": _number(new, names) for old, new in joined.items()}
    label = dataset.source.label_column or "label"
    notes = () if file is None else _other_splits(dataset.source)
    plan = ExportPlan(scratch, by_row, form, options, label, file=file, notes=notes, joined=joined)
    if form == "folder":
        if file is None or file.kind not in ("folder", "zip"):
            raise StoreError("Only image folders can be exported as 'folder'; choose another one.")
        return _listed(plan, dataset, file)
    if file is None or form != natural_format(dataset) or file.kind == "hub":
        return _converted(plan, dataset, file)
    return _native(plan, dataset, file)


def _by_number(edit: Edit, classes: tuple[str, ...]) -> Edit:
    """The edit in the labels of the source, which are the classes' numbers."""
    old, new = _number(edit.old_label, classes), _number(edit.new_label, classes)
    return replace(edit, old_label=old, new_label=new)


def _number(name: str | None, classes: tuple[str, ...]) -> str | None:
    """A class's number as a label; a class that was made by joining has none."""
    return str(classes.index(name)) if name in classes else name


def _check(form: str, options: ExportOptions) -> None:
    """Refuse a format that is none, and options that would silently do nothing."""
    if form not in FORMATS:
        raise StoreError(f"There is no format {form!r}; there are {list(FORMATS)}.")
    if options.spreadsheet_safe and form not in ("csv", "folder"):
        raise StoreError(f"Only a CSV can be made safe for spreadsheets, and this is {form!r}.")
    if options.copy_images and form != "folder":
        raise StoreError(f"Only image folders have pictures to copy, and this is {form!r}.")


def _native(plan: ExportPlan, dataset: Dataset, file: SourceFile) -> ExportPlan:
    """The source as it stands."""
    import datasets

    source, place = dataset.source, Path(file.path)
    column = source.columns.index(plan.label)
    plan = replace(plan, path=place, column=column, sha256=file.sha256, parts=file.parts)
    if file.kind == "csv":
        return replace(plan, csv=form_of(file))
    if file.kind == "parquet":
        first = _reader(file).read(file.path, ReadOptions.of(source.options), 1)[0]
        return replace(plan, classes=first.classes)
    _raw_table(dataset, file)  # refuses if it has changed
    loaded = datasets.load_from_disk(file.path)
    if not isinstance(loaded, datasets.DatasetDict):
        return plan
    named = {known_split(name) or name: name for name in loaded}
    return replace(plan, inner=named["train"])


def _converted(plan: ExportPlan, dataset: Dataset, file: SourceFile | None) -> ExportPlan:
    """The rows, written into another format."""
    classes: tuple[str, ...] | None
    if file is None:
        table, rows = _project_table(dataset.train, dataset.source), dataset.train.rows
        classes, note = dataset.classes, "Written from the project's own copy of the rows."
    else:
        raw = _raw_table(dataset, file)
        table, rows, classes = raw.table, raw.rows, raw.classes
        note = "Converted from another format."
    # The records of the new file, which may be fewer than those of the source.
    place = {row: position for position, row in enumerate(rows.tolist())}
    plan = replace(
        plan,
        path=plan.path / f"train.{plan.form}",
        edits={place[row]: edit for row, edit in plan.edits.items()},
        column=table.column_names.index(plan.label),
        classes=None if plan.form == "csv" else classes,
        notes=(note, *plan.notes),
    )
    if plan.form == "hf":
        to_hf(table, plan.label, classes, plan.path)
        return plan
    if plan.form == "csv":
        to_csv(table, plan.label, classes, plan.path)
    else:
        to_parquet(table, plan.path)
    return replace(plan, sha256=of_file(plan.path))


def _listed(plan: ExportPlan, dataset: Dataset, file: SourceFile) -> ExportPlan:
    """A fresh list of the pictures of an image folder or a ZIP, those that were imported."""
    table, path = _raw_table(dataset, file).table, plan.path / LISTING
    notes = plan.notes
    if file.kind == "zip":
        copied = plan.options.copy_images
        pictures = list_zip(table, plan.label, copied, path)
        how = ", and copied into folders." if copied else "; --copy-images writes them, too."
        notes = (f"The source was a ZIP: pictures are listed by their paths in it{how}", *notes)
    else:
        root = Path(str(dataset.train.image_root))
        pictures = list_folder(table, plan.label, root, Path(file.path).resolve(), path)
    names = [name for name in table.column_names if name != "image"]
    return replace(
        plan,
        path=path,
        column=names.index(plan.label),
        sha256=of_file(path),
        pictures=pictures,
        notes=notes,
    )


def _present_file(source: SourceInfo) -> SourceFile | None:
    """The file or folder of the training rows, checked to be what was imported.

    Returns:
        None if the data set was built by a program.

    Raises:
        MismatchError: it is gone, or has changed since the import.
    """
    file = source.files.get("train")
    if file is None or file.kind == "hub":
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


def _raw_table(dataset: Dataset, file: SourceFile) -> RawTable:
    """The source's own table, with all its columns, that the training rows were taken from.

    Raises:
        MismatchError: it no longer holds these rows.
    """
    source = dataset.source
    place = file.path if file.kind != "folder" else str(dataset.image_root)
    options = ReadOptions.of(source.options)
    if file.kind == "csv":  # read as it was then, whatever is found out by now
        raws = [read_as(Path(place), form_of(file), options, None)]
    else:
        raws = _reader(file).read(place, options, None)
    named = {known_split(raw.split or "train") or raw.split: raw for raw in raws}
    of_split = {s.name: named.get(s.name) or named.get("train") or raws[0] for s in dataset}
    raw = of_split["train"]
    if not file.sha256:
        # Splits that were cut off the same table are exported with it.
        _check_rows(raw, [s for s in dataset if of_split[s.name] is raw], source)
    return raw


def _reader(file: SourceFile) -> Reader:
    """What has read it; several files of one split were found in a folder."""
    kind = "parquet" if file.kind == "zip" else file.kind
    return READERS["hf" if file.parts else kind]


def _project_table(split: Split, source: SourceInfo) -> pa.Table:
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


def _other_splits(source: SourceInfo) -> tuple[str, ...]:
    """Says so if the exported file holds rows of other splits too."""
    mine = source.files["train"]
    if mine.kind in ("hub", "hf"):
        return ()  # one path for all splits, but a table of its own for each
    others = ", ".join(n for n, file in source.files.items() if n != "train" and file == mine)
    return (f"The source also holds the rows of {others}; they are as they were.",) * bool(others)


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
