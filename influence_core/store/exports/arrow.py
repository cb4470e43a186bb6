"""Parquet files and Hugging Face folders with some rows gone or relabelled.

Schema, metadata, row order, row groups and compression stay; columns other than the label are
passed through. Such files cannot be edited in place: the bytes of a re-written one differ
everywhere, so the way back is a copy of the original, kept beside the export unless declined.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.labelling.texts import label_texts
from influence_core.data.readers.arrow_file import arrow_batches, without_views
from influence_core.disk.fingerprint import of_file, of_files, of_parts
from influence_core.errors import MismatchError, StoreError
from influence_core.progress import Progress, ProgressFn
from influence_core.store.exports.convert import save_hf
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.plan import ExportPlan
from influence_core.store.exports.way_back import Written

ORIGINAL = "original"
NO_WAY_BACK = "No copy of the original was kept, so this export cannot be reverted."
# Parquet's own names for codecs, where pyarrow's writer knows them by another one.
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}


def edited_table(
    table: pa.Table, plan: ExportPlan, edits: Mapping[int, Edit], classes: tuple[str, ...] | None
) -> pa.Table:
    """The table without the removed rows and with the new labels, in the same schema.

    Args:
        table: a part of the source, or all of it.
        plan: says which column is the label, and which labels were joined.
        edits: by row of the table.
        classes: names of the numbers in the label column, None if they are names or plain numbers.

    Raises:
        MismatchError: a row is missing or has another label than its edit says.
        StoreError: a new label cannot stand in the label column.
    """
    if not edits:
        return table
    label = plan.label
    _check(table, plan, edits, classes)
    field = table.schema.field(label)
    changed = {row: e.new_label for row, e in edits.items() if e.new_label is not None}
    if changed:
        values = table.column(label).to_pylist()
        for row, name in changed.items():
            values[row] = label_value(name, field.type, classes)
        column = pa.chunked_array([pa.array(values, field.type)])
        table = table.set_column(table.schema.get_field_index(label), field, column)
    keep = np.ones(table.num_rows, dtype=np.bool_)
    keep[[row for row, edit in edits.items() if edit.action == "remove"]] = False
    return table if keep.all() else table.filter(pa.array(keep))


def label_value(
    name: str, kind: pa.DataType, classes: tuple[str, ...] | None
) -> str | int | float | bool:
    """A class name as the value that stands for it in a column of this type.

    Raises:
        StoreError: there is none.
    """
    if pa.types.is_dictionary(kind):
        return label_value(name, kind.value_type, classes)
    try:
        if pa.types.is_boolean(kind):
            return {"true": True, "false": False}[name]
        if pa.types.is_integer(kind):
            return int(name) if classes is None else classes.index(name)
        if pa.types.is_floating(kind):
            return float(name) if classes is None else float(classes.index(name))
    except (ValueError, KeyError) as error:
        raise StoreError(f"The label {name!r} cannot stand in a column of {kind}.") from error
    return name


def write_parquet(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited file, or folder of files, one row group at a time.

    Raises:
        MismatchError: as `edited_table`, or the source changed. StoreError: the file is damaged.
    """
    sources = [plan.path / part for part in plan.parts] or [plan.path]
    targets = [out / part for part in plan.parts] or [out]
    groups = [pq.read_metadata(source).num_row_groups for source in sources]
    first = rows = done = 0
    for source, target in zip(sources, targets, strict=True):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with pq.ParquetFile(source) as file, _writer_like(file, target) as writer:
                for group in range(file.metadata.num_row_groups):
                    table = file.read_row_group(group)
                    stop = first + table.num_rows
                    inside = {r - first: e for r, e in plan.edits.items() if first <= r < stop}
                    table = edited_table(table, plan, inside, plan.classes)
                    if table.num_rows:
                        writer.write_table(table, row_group_size=table.num_rows)
                    rows, first, done = rows + table.num_rows, stop, done + 1
                    if progress is not None:
                        progress(Progress("export", done, sum(groups)))
        except pa.ArrowException as error:
            raise StoreError(f"{source} cannot be exported as Parquet ({error}).") from error
    check_reach(plan.edits, first)
    read = of_files(plan.path, plan.parts) if plan.parts else of_file(plan.path)
    if read != plan.sha256:
        raise MismatchError(
            "The source changed while it was exported; nothing was written. Import it again."
        )
    if plan.parts:
        return _with_originals(plan, plan.parts, plan.parts, out, rows)
    return with_original(plan, rows)


def write_arrow(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited Arrow file or stream, in the same schema.

    Raises:
        MismatchError: as `edited_table`. DataError: it cannot be read any more.
    """
    del progress
    batches = list(arrow_batches(plan.path))
    check_reach(plan.edits, sum(map(len, batches)))
    table = without_views(pa.Table.from_batches(batches))
    table = edited_table(table, plan, plan.edits, plan.classes)
    packed = "lz4" if plan.path.suffix.lower() == ".feather" else None
    options = pa.ipc.IpcWriteOptions(compression=packed, unify_dictionaries=True)
    with plan.path.open("rb") as file:
        opened = pa.ipc.new_file if file.read(6) == b"ARROW1" else pa.ipc.new_stream
    with opened(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=max(map(len, batches)))
    return with_original(plan, int(table.num_rows))


def with_original(plan: ExportPlan, rows: int, notes: tuple[str, ...] = ()) -> Written:
    """A file whose way back is a copy of the original beside it, unless that was declined."""
    if not plan.options.keep_original:
        return Written(rows, notes=(*notes, NO_WAY_BACK))
    revert = {"kind": "file", "name": plan.path.name, "sha256": plan.sha256}
    return Written(rows, revert, notes, original=plan.path)


def write_hf(plan: ExportPlan, out: Path, progress: ProgressFn | None = None) -> Written:
    """Write the edited data set as a folder that `datasets.load_from_disk` opens.

    Raises:
        MismatchError, StoreError: as `edited_table`.
    """
    import datasets

    del progress  # the library writes in one go
    loaded = datasets.load_from_disk(str(plan.path))
    data = loaded if plan.inner is None else loaded[plan.inner]
    label = data.features[plan.label]
    classes = tuple(label.names) if isinstance(label, datasets.ClassLabel) else plan.classes
    check_reach(plan.edits, len(data))
    table = data.with_format("arrow")[:] if len(data) else data.data.table
    table = edited_table(table, plan, plan.edits, classes)
    info = datasets.DatasetInfo(
        description=data.info.description,
        citation=data.info.citation,
        homepage=data.info.homepage,
        license=data.info.license,
        features=data.features,
    )
    made = datasets.Dataset(datasets.table.InMemoryTable(table), info=info, split=data.split)
    inner = plan.inner or ""
    save_hf(made, out / inner)
    parts = saved_parts(plan.path)
    changed = [part for part in parts if not inner or part.startswith(f"{inner}/")]
    for part in set(parts) - set(changed):
        _copy(plan.path / part, out / part)
    return _with_originals(plan, parts, changed, out, int(table.num_rows))


def saved_parts(root: Path) -> tuple[str, ...]:
    """Files of a folder of `save_to_disk`, without what reading it leaves there."""
    files = (path for path in root.rglob("*") if path.is_file())
    names = (path.relative_to(root).as_posix() for path in files)
    kept = (n for n in names if not any(p[0] == "." for p in n.split("/")) and "cache-" not in n)
    return tuple(sorted(kept))


def write_untouched(plan: ExportPlan, out: Path) -> Written:
    """The source itself, to the byte, where nothing was decided.

    Raises:
        MismatchError: it changed meanwhile.
    """
    rows = plan.file.rows if plan.file is not None else 0
    if not plan.is_folder:
        shutil.copyfile(plan.path, out)
        same = of_file(out) == plan.sha256
        revert = {"name": plan.path.name, "sha256": plan.sha256}
        written = Written(rows, {"kind": "patches", **revert, "patches": []})
    else:
        parts = plan.parts or saved_parts(plan.path)
        for part in parts:
            _copy(plan.path / part, out / part)
        digest = of_files(out, parts)
        same = digest == plan.sha256 or not plan.parts
        written = Written(rows, {"kind": "files", "parts": list(parts), "sha256": digest})
    if not same:
        raise MismatchError(
            "The source changed while it was exported; nothing was written. Import it again."
        )
    return written


def write_parts(
    plan: ExportPlan, out: Path, write: Callable[[ExportPlan, Path], Written]
) -> Written:
    """Write each of several files of a split by `write`."""
    rows, notes = 0, dict[str, None]()
    for part, one in zip(plan.parts, plan.files, strict=True):
        (out / part).parent.mkdir(parents=True, exist_ok=True)
        if one.edits:
            written = write(one, out / part)
        else:
            shutil.copyfile(one.path, out / part)
            written = Written(one.file.rows if one.file is not None else 0)
        rows += written.rows
        notes |= dict.fromkeys(written.notes)
    made = _with_originals(plan, plan.parts, plan.parts, out, rows)
    return replace(made, notes=(*notes, *made.notes))


def _with_originals(
    plan: ExportPlan, parts: Sequence[str], changed: Sequence[str], out: Path, rows: int
) -> Written:
    """Copy the original files into the exported folder; others stand there as they were."""
    if not plan.options.keep_original:
        return Written(rows, notes=(NO_WAY_BACK,))
    for part in changed:
        _copy(plan.path / part, out / ORIGINAL / part)
    back = [out / ORIGINAL / part if part in changed else out / part for part in parts]
    digest = of_parts(f"{n}\0{of_file(p)}\n" for n, p in zip(parts, back, strict=True))
    return Written(rows, {"kind": "files", "parts": list(parts), "sha256": digest})


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _writer_like(file: pq.ParquetFile, out: Path) -> pq.ParquetWriter:
    """A writer with the file's schema, metadata, format version and compression."""
    options: dict[str, object] = {}
    if file.metadata.num_row_groups:
        group = file.metadata.row_group(0)
        columns = [group.column(i) for i in range(group.num_columns)]
        options["compression"] = {
            c.path_in_schema: _CODECS.get(c.compression, c.compression.lower()) for c in columns
        }
        options["use_dictionary"] = [
            c.path_in_schema for c in columns if any("DICTIONARY" in e for e in c.encodings)
        ]
    version = file.metadata.format_version
    if version in ("1.0", "2.4", "2.6"):
        options["version"] = version
    return pq.ParquetWriter(out, file.schema_arrow, **options)


def _check(
    table: pa.Table, plan: ExportPlan, edits: Mapping[int, Edit], classes: tuple[str, ...] | None
) -> None:
    """Refuse edits whose row has another label than they say."""
    check_reach(edits, table.num_rows)
    column = table.column(plan.label).take(pa.array(list(edits), pa.int64()))
    found = label_texts(column, plan.label, classes).to_pylist()
    for edit, name in zip(edits.values(), found, strict=True):
        if plan.joined.get(name, name) != edit.old_label:
            raise MismatchError(
                f"Row {edit.row + 1} of the source (id {edit.id!r}) should have the label "
                f"{edit.old_label!r}, but has {name!r}; import the data again."
            )


def check_reach(edits: Mapping[int, Edit], rows: int) -> None:
    """Refuse edits of rows that the source does not have."""
    beyond = [row for row in edits if row >= rows]
    if beyond:
        raise MismatchError(
            f"There is a decision on row {beyond[0] + 1}, but the source has {rows} rows; import "
            "the data again."
        )
