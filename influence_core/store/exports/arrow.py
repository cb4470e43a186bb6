"""Parquet files and Hugging Face folders with some rows gone or relabelled.

Schema, metadata, row order, row groups and compression stay; columns other than the label are
passed through. Such files cannot be edited in place: the bytes of a re-written one differ
everywhere, so the way back is a copy of the original, kept beside the export unless told otherwise.
`store.exports` is the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.rows import label_texts
from influence_core.errors import MismatchError, StoreError
from influence_core.progress import Progress, ProgressFn
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.source import save_hf

# Parquet's own names for codecs, where pyarrow's writer knows them by another one.
_CODECS = {"UNCOMPRESSED": "none", "LZ4_RAW": "lz4"}


@dataclass(frozen=True)
class TableRules:
    """What to do with the rows.

    Attributes:
        label: name of the label column.
        edits: by row of the file.
        classes: names of the numbers in the label column, None if they are names or plain numbers.
    """

    label: str
    edits: Mapping[int, Edit]
    classes: tuple[str, ...] | None = None

    def within(self, start: int, stop: int) -> "TableRules":
        """The same for rows start to stop, counted from 0 again."""
        part = {row - start: edit for row, edit in self.edits.items() if start <= row < stop}
        return TableRules(self.label, part, self.classes)


def edited_table(table: pa.Table, rules: TableRules) -> pa.Table:
    """The table without the removed rows and with the new labels, in the same schema.

    Raises:
        MismatchError: a row is missing or has another label than its edit says.
        StoreError: a new label cannot stand in the label column.
    """
    if not rules.edits:
        return table
    _check(table, rules)
    field = table.schema.field(rules.label)
    changed = {row: e.new_label for row, e in rules.edits.items() if e.new_label is not None}
    if changed:
        values = table.column(rules.label).to_pylist()
        for row, name in changed.items():
            values[row] = label_value(name, field.type, rules.classes)
        column = pa.chunked_array([pa.array(values, field.type)])
        table = table.set_column(table.schema.get_field_index(rules.label), field, column)
    keep = np.ones(table.num_rows, dtype=np.bool_)
    keep[[row for row, edit in rules.edits.items() if edit.action == "remove"]] = False
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


def write_edited_parquet(
    source: Path, rules: TableRules, out: Path, progress: ProgressFn | None = None
) -> int:
    """Write the edited file, one row group at a time.

    Args:
        source: the Parquet file as imported.
        rules: what to change.
        out: a temporary path.
        progress: hears of row groups done.

    Returns:
        Rows written.

    Raises:
        MismatchError, StoreError: as `edited_table`; or the file is damaged.
    """
    try:
        with pq.ParquetFile(source) as file, _writer_like(file, out) as writer:
            groups = file.metadata.num_row_groups
            start = rows = 0
            for group in range(groups):
                table = file.read_row_group(group)
                part = rules.within(start, start + table.num_rows)
                start += table.num_rows
                table = edited_table(table, part)
                if table.num_rows:
                    writer.write_table(table, row_group_size=table.num_rows)
                rows += table.num_rows
                if progress is not None:
                    progress(Progress("export", group + 1, groups))
    except pa.ArrowException as error:
        raise StoreError(f"{source} cannot be exported as Parquet ({error}).") from error
    _check_reach(rules, start)
    return rows


def write_edited_hf(source: Path, part: str | None, rules: TableRules, out: Path) -> int:
    """Write the edited data set as a folder that `datasets.load_from_disk` opens.

    Args:
        source: folder of `save_to_disk`.
        part: name of the split in it, None if it holds a single data set.
        rules: what to change.
        out: an empty or missing folder.

    Returns:
        Rows written.

    Raises:
        MismatchError, StoreError: as `edited_table`.
    """
    loaded = datasets.load_from_disk(str(source))
    data = loaded if part is None else loaded[part]
    label = data.features[rules.label]
    classes = tuple(label.names) if isinstance(label, datasets.ClassLabel) else rules.classes
    _check_reach(rules, len(data))
    table = data.with_format("arrow")[:] if len(data) else data.data.table
    table = edited_table(table, TableRules(rules.label, rules.edits, classes))
    info = datasets.DatasetInfo(
        description=data.info.description,
        citation=data.info.citation,
        homepage=data.info.homepage,
        license=data.info.license,
        features=data.features,
    )
    made = datasets.Dataset(datasets.table.InMemoryTable(table), info=info, split=data.split)
    save_hf(made, out)
    return int(table.num_rows)


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


def _check(table: pa.Table, rules: TableRules) -> None:
    """Refuse edits whose row has another label than they say."""
    rows = list(rules.edits)
    _check_reach(rules, table.num_rows)
    column = table.column(rules.label).take(pa.array(rows, pa.int64()))
    found = label_texts(column, rules.label, rules.classes).to_pylist()
    for edit, label in zip(rules.edits.values(), found, strict=True):
        if label != edit.old_label:
            raise MismatchError(
                f"Row {edit.row + 1} of the source (id {edit.id!r}) should have the label "
                f"{edit.old_label!r}, but has {label!r}; import the data again."
            )


def _check_reach(rules: TableRules, rows: int) -> None:
    beyond = [row for row in rules.edits if row >= rows]
    if beyond:
        raise MismatchError(
            f"There is a decision on row {beyond[0] + 1}, but the source has {rows} rows; import "
            "the data again."
        )
