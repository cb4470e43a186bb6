"""Everything about an export that is known before it is written: `make_plan` resolves it once.

An export begins with one file or folder in the format that is asked for. In the source's own
format that is the source itself (or, for image folders, a fresh list of its pictures). In another
format its rows are first written unedited, with all columns, into a scratch folder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from influence_core.data.dataset import Dataset
from influence_core.data.labelling.split_names import our_name, renamed_splits
from influence_core.data.options import ReadOptions
from influence_core.data.readers.packed import unpack
from influence_core.data.readers.registry import read_again
from influence_core.data.readers.tables import FILES, SUFFIXES
from influence_core.data.readers.text.csv_file import form_of
from influence_core.data.readers.text.csv_format import CsvFormat
from influence_core.data.source import SourceFile, SourceInfo
from influence_core.disk.fingerprint import of_file
from influence_core.errors import StoreError
from influence_core.store.exports.convert import (
    WRITTEN,
    present_file,
    project_table,
    raw_table,
    to_arrow,
    to_csv,
    to_hf,
    to_json,
    to_parquet,
)
from influence_core.store.exports.edits import (
    FORMATS,
    OWN,
    Edit,
    ExportOptions,
    edits_by_row,
    natural_format,
)
from influence_core.store.exports.listing import LISTING, Pictures, list_folder, list_zip


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
        parts: files of a folder that together are one split; `files` are their own plans, but
            for Parquet.
        inside: the plan of the file that is packed in this one, whose name there is `member`.
        inner: split within a Hugging Face folder, None if it holds one data set only; sheet of a
            workbook.
        native: whether `path` is the source itself.
        classes: names of class numbers, None if labels are names or plain numbers.
        csv: how a CSV is cut into fields; of JSON and fastText its encoding only.
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
    files: "tuple[ExportPlan, ...]" = ()
    inside: "ExportPlan | None" = None
    member: str = ""
    inner: str | None = None
    native: bool = False
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
    def is_untouched(self) -> bool:
        """Whether the export is the source itself."""
        return self.native and not self.edits and not self.options.spreadsheet_safe

    @property
    def record(self) -> dict[str, Any]:
        """The source for the manifest, which is sent to others: by its name, not its place."""
        if self.file is None:
            return {}
        # Its hash tells more surely than its folder which file it was.
        name = Path(self.file.path).name if self.file.path else ""
        return {**asdict(self.file), "path": name, "parts": list(self.file.parts)}


def make_plan(
    dataset: Dataset,
    edits: Sequence[Edit],
    form: str | None,
    options: ExportOptions,
    scratch: Path,
) -> ExportPlan:
    """Find or make what the edits apply to.

    Args:
        dataset: as imported.
        edits: changes to rows of the exported split.
        form: one of `FORMATS`; None means the source's own.
        options: of the export.
        scratch: folder for what has to be written first.

    Raises:
        MismatchError: the source is gone or changed, or an edit is about other data.
        StoreError: the format or an option does not fit the data.
    """
    split = options.split
    own = natural_format(dataset, split)
    form = form or own
    _check(form, options)
    file = None if options.from_project else present_file(dataset.source, split)
    by_row = edits_by_row(dataset, edits, split)
    joined = {} if file is None else dataset.source.joined
    if file is not None and dataset.source.numbered:
        names = tuple(dataset.source.options["classes"])
        by_row = {row: _by_number(edit, names) for row, edit in by_row.items()}
        joined = {_number(old, names) or "": _number(new, names) for old, new in joined.items()}
    label = dataset.source.label_column or "label"
    notes = () if file is None else _other_splits(dataset.source, split)
    plan = ExportPlan(scratch, by_row, form, options, label, file=file, notes=notes, joined=joined)
    if form in OWN and (file is None or form != own):
        raise StoreError(f"Only {OWN[form]} can be exported as {form!r}; choose another format.")
    if form == "folder" and file is not None:
        return _listed(plan, dataset, file)
    if file is None or form != own or file.kind in ("hub", "texts"):
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

    source, path = dataset.source, Path(file.path)
    names: Sequence[str] = source.columns
    if file != source.files["train"]:  # its columns may stand in another order
        names = read_again(file, ReadOptions.of(source.options), 1)[0].table.column_names
    plan = replace(plan, column=names.index(plan.label), native=True)
    if file.parts:
        plan = replace(plan, path=path, sha256=file.sha256, parts=file.parts)
        if file.kind == "parquet":
            first = read_again(file, ReadOptions.of(source.options), 1)[0]
            return replace(plan, classes=first.classes)
        return _with_parts(plan, file, ReadOptions.of(source.options))
    if file.kind != "hf":
        return _of_file(plan, file, path, ReadOptions.of(source.options))
    plan = replace(plan, path=path)
    raw_table(dataset, file, plan.options.split)  # refuses if it has changed
    loaded = datasets.load_from_disk(file.path)
    if not isinstance(loaded, datasets.DatasetDict):
        return plan
    renamed = renamed_splits(ReadOptions.of(source.options))
    named = {our_name(name, renamed): name for name in loaded}
    return replace(plan, inner=named.get(plan.options.split, named.get("train")))


def _of_file(plan: ExportPlan, file: SourceFile, path: Path, options: ReadOptions) -> ExportPlan:
    """One file as it stands, and what is packed in it."""
    scratch = plan.path
    plan = replace(plan, path=path, sha256=file.sha256, member=file.packed)
    if file.packing:
        folder = scratch / "unpacked"
        folder.mkdir(exist_ok=True)
        found = unpack(path, folder, SUFFIXES)
        found = found / file.packed if found.is_dir() else found
        bare = replace(file, packing="", packed="", sha256=of_file(found))
        inside = _of_file(plan, bare, found, options)
        return replace(plan, inside=inside, csv=inside.csv)
    if file.kind == "csv":
        return replace(plan, csv=form_of(file))
    if file.kind in ("json", "fasttext"):
        cut = replace(WRITTEN, encoding=file.encoding or "utf-8", bom=file.bom)
        return replace(plan, csv=cut)
    if file.kind == "xlsx":
        return replace(plan, inner=file.sheet, csv=replace(WRITTEN, above=file.above))
    return replace(plan, classes=FILES[file.kind].read(str(path), options, 1)[0].classes)


def _with_parts(plan: ExportPlan, file: SourceFile, options: ReadOptions) -> ExportPlan:
    """Several files of a split, each with the edits of its own records."""
    files, first = [], 0
    for part in file.parts:
        path = Path(file.path) / part
        own = FILES[file.kind].read(str(path), options, None)[0].file
        stop = first + own.rows
        edits = {row - first: e for row, e in plan.edits.items() if first <= row < stop}
        alone = replace(plan, path=path, edits=edits, parts=(), file=own)
        if own.packing:
            raise StoreError(
                f"{part} is packed and one of several files of its split; unpack them, or export "
                "as CSV."
            )
        files.append(_of_file(alone, own, path, options))
        first = stop
    return replace(plan, files=tuple(files))


def _converted(plan: ExportPlan, dataset: Dataset, file: SourceFile | None) -> ExportPlan:
    """The rows, written into another format."""
    classes: tuple[str, ...] | None
    if file is None:
        own = dataset.split(plan.options.split)
        table, rows = project_table(own, dataset.source), own.rows
        classes, note = dataset.classes, "Written from the project's own copy of the rows."
    else:
        raw = raw_table(dataset, file, plan.options.split)
        table, rows, classes = raw.table, raw.rows, raw.classes
        note = "Converted from another format."
    # The records of the new file, which may be fewer than those of the source.
    place = {row: position for position, row in enumerate(rows.tolist())}
    plan = replace(
        plan,
        path=plan.path / f"{plan.options.split}.{'jsonl' if plan.form == 'json' else plan.form}",
        edits={place[row]: edit for row, edit in plan.edits.items()},
        column=table.column_names.index(plan.label),
        classes=None if plan.form in ("csv", "json") else classes,
        notes=(note, *plan.notes),
    )
    if plan.form == "hf":
        to_hf(table, plan.label, classes, plan.path)
        return plan
    if plan.form in ("csv", "json"):
        write = to_csv if plan.form == "csv" else to_json
        write(table, plan.label, classes, plan.path)
    else:
        (to_arrow if plan.form == "arrow" else to_parquet)(table, plan.path)
    return replace(plan, sha256=of_file(plan.path))


def _listed(plan: ExportPlan, dataset: Dataset, file: SourceFile) -> ExportPlan:
    """A fresh list of the pictures of an image folder or a ZIP, those that were imported."""
    split = plan.options.split
    table, path = raw_table(dataset, file, split).table, plan.path / LISTING
    notes = plan.notes
    if file.kind == "zip":
        copied = plan.options.copy_images
        pictures = list_zip(table, plan.label, copied, path)
        how = ", and copied into folders." if copied else "; --copy-images writes them, too."
        notes = (f"The source was a ZIP: pictures are listed by their paths in it{how}", *notes)
    else:
        root = Path(str(dataset.split(split).image_root))
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


def _other_splits(source: SourceInfo, split: str) -> tuple[str, ...]:
    """Says so if the exported file holds rows of other splits too."""
    mine = source.files[split]
    if mine.kind in ("hub", "hf"):
        return ()  # one path for all splits, but a table of its own for each
    others = ", ".join(n for n, file in source.files.items() if n != split and file == mine)
    return (f"The source also holds the rows of {others}; they are as they were.",) * bool(others)
