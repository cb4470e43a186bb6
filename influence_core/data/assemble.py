"""From what readers found to a `Dataset`: bad rows, splits, classes, keys.

`data.readers.registry` is the only caller. Everything that may refuse a source because of its
rows is here, so each refusal is one sentence that names the row as the user's editor does.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.bad_rows import (
    bad_row,
    find_problems,
    good_rows,
    left_out,
    refuse_repeated_ids,
    split_names,
)
from influence_core.data.build import build_dataset
from influence_core.data.checks.spellings import several_labels
from influence_core.data.columns import ColumnRoles, detect_columns
from influence_core.data.content import refuse_bare_names
from influence_core.data.dataset import Dataset
from influence_core.data.keys import content_hashes
from influence_core.data.labelling.joining import with_wanted_labels
from influence_core.data.labelling.split_names import with_renamed_splits
from influence_core.data.labelling.unlabelled import set_unlabelled_aside, with_label_column
from influence_core.data.options import ReadOptions
from influence_core.data.rows import PreparedTable, RawTable, Watch, group_names, prepare
from influence_core.data.source import SourceInfo
from influence_core.data.splitting import cut_groups, cut_shares, joined_groups, known_split
from influence_core.errors import DataError

MAX_CLASSES = 10_000
Part = tuple[PreparedTable, npt.NDArray[np.int64]]  # a table and the positions that are meant


def assemble(raws: Sequence[RawTable], options: ReadOptions, watch: Watch) -> Dataset:
    """Make the data set.

    Args:
        raws: what it found; all `split`s differ.
        options: what the user wants.
        watch: hears of progress and may cancel.

    Raises:
        DataError: the source cannot be used as it is; names the row or column and the way out.
    """
    raws = [_rooted(raw, options) for raw in with_renamed_splits(raws, options)]
    # Training rows first: others may lack labels, or even their column.
    raws.sort(key=lambda raw: known_split(raw.split or "train") != "train")
    roles = detect_columns(raws[0].table, options, raws[0].name)
    if roles.kind == "text" and raws[0].file.kind in ("csv", "json", "xlsx", "parquet", "arrow"):
        named = options.image_root is not None
        refuse_bare_names(raws[0].table.slice(0, 200), roles.content, raws[0].image_root, named)
    raws = with_label_column(raws, roles.label)
    check = options.bad_rows != "keep"
    tables = [prepare(raw, roles, check_images=check, watch=watch) for raw in raws]
    image_root = None
    if roles.kind == "image_path":
        tables, image_root = _share_root(tables)
    shares = {"valid": options.valid_share, "test": options.test_share}
    tables, unlabelled = set_unlabelled_aside(tables, roles.label, shares)
    tables, numbered = _named(tables, options.classes)
    tables, became = with_wanted_labels(tables, options)
    classes = _classes(tables, options, roles, became)
    problems = [find_problems(table, classes, options) for table in tables]
    kept = [good_rows(table, found) for table, found in zip(tables, problems, strict=True)]
    if options.bad_rows != "keep":
        for table, rows in zip(tables, kept, strict=True):
            refuse_repeated_ids(table, rows, roles)
    parts = _name_splits(tables, kept)
    parts = _cut(parts, shares, options)
    if not parts["train"][1].size:
        raise DataError(f"{raws[0].name} has no usable rows to train on.")
    if options.bad_rows != "keep":
        _refuse_one_class(parts["train"], roles, raws[0].name)
    return build_dataset(
        {name: _columns(table, rows, classes) for name, (table, rows) in parts.items()},
        classes,
        unlabelled=_unlabelled(tables, classes),
        source=replace(
            _source(parts, roles, options),
            numbered=numbered,
            joined=became,
            read=sum(raw.table.num_rows + sum(o.count for o in raw.left_out) for raw in raws),
            left_out=tuple(
                out for pair in zip(tables, problems, strict=True) for out in left_out(*pair)
            ),
            told=(*roles.told, *(said for raw in raws for said in raw.told), *unlabelled),
        ),
        image_root=image_root,
        repeated_ids=options.bad_rows == "keep",
    )


def _rooted(raw: RawTable, options: ReadOptions) -> RawTable:
    """With the folder of pictures that was named.

    Raises:
        DataError: there is no such folder.
    """
    if options.image_root is None:
        return raw
    root = Path(options.image_root).expanduser()
    if not root.is_dir():
        raise DataError(f"The image folder {root} does not exist; check --image-root.")
    return replace(raw, image_root=root)


def _named(
    tables: Sequence[PreparedTable], classes: tuple[str, ...] | None
) -> tuple[list[PreparedTable], bool]:
    """Labels that are the numbers of the names that were given, by these names; and whether so."""
    if classes is None or any(table.raw.classes is not None for table in tables):
        return list(tables), False
    names = pa.array(classes, pa.string())
    numbers = pa.array([str(number) for number in range(len(classes))], pa.string())

    def among(values: pa.Array) -> int:
        return sum(pc.sum(pc.is_in(t.labels, value_set=values)).as_py() or 0 for t in tables)

    if among(numbers) <= among(names):
        return list(tables), False
    made = []
    for table in tables:
        found = pc.take(names, pc.index_in(table.labels, value_set=numbers))
        made.append(replace(table, labels=pc.coalesce(found, table.labels)))
    return made, True


def _share_root(tables: Sequence[PreparedTable]) -> tuple[list[PreparedTable], Path]:
    """Name all pictures relative to one folder, also where each split has a folder of its own."""
    roots = [table.raw.image_root or Path() for table in tables]
    shared = Path(os.path.commonpath([root.resolve() for root in roots]))
    moved = []
    for table, root in zip(tables, roots, strict=True):
        below = root.resolve().relative_to(shared).as_posix()
        paths = table.table.column("image_path")
        if below != ".":
            paths = pc.binary_join_element_wise(below, paths, "/")
        position = table.table.column_names.index("image_path")
        columns = table.table.set_column(position, "image_path", paths)
        moved.append(replace(table, table=columns))
    return moved, shared


def _classes(
    tables: Sequence[PreparedTable],
    options: ReadOptions,
    roles: ColumnRoles,
    became: Mapping[str, str | None],
) -> tuple[str, ...]:
    """Class names in label order: as told, as declared by the source, or sorted.

    Raises:
        DataError: nobody named the label column, and what was found cannot be classes.
    """
    declared = options.classes or tables[0].raw.classes
    if declared is not None:
        now = [became.get(name, name) for name in declared]
        return tuple(dict.fromkeys(name for name in now if name is not None))
    found = {value for table in tables for value in pc.unique(table.labels).to_pylist()} - {None}
    rows = sum(len(table.labels) for table in tables)
    guessed = options.label_column is None
    if len(found) > MAX_CLASSES or (guessed and len(found) > max(50, rows // 2)):
        what = f"Column {roles.label!r} has {len(found):,} different values in {rows:,} rows"
        if guessed and several_labels(sorted(found)):
            raise DataError(
                f"{what}, which look like several labels a row; that is not supported: make one "
                "project a label, or keep the first label of each row (--join first)."
            )
        if guessed:
            raise DataError(
                f"{what}, which hardly are classes; if they are, name the label column "
                f"(--label {roles.label!r}), else another one."
            )
        raise DataError(f"{what}, and at most {MAX_CLASSES:,} classes can be told apart.")
    if all(value.lstrip("-").isdecimal() for value in found):
        return tuple(sorted(found, key=lambda value: (int(value), value)))
    return tuple(sorted(found))


def _name_splits(
    tables: Sequence[PreparedTable], kept: Sequence[npt.NDArray[np.int64]]
) -> dict[str, Part]:
    """Which rows belong to which split, by the source's own names in our spelling."""
    parts: dict[str, Part] = {}
    for table, rows in zip(tables, kept, strict=True):
        values = split_names(table)
        if values is None:
            named = [("train", rows)]
        else:
            none = {row: table.problems[row] for row in rows.tolist() if values[row] is None}
            if none:  # only if bad rows are kept: there is nowhere to keep these
                raise bad_row(table.raw, none)
            named = [(value, rows[values[rows] == value]) for value in dict.fromkeys(values[rows])]
        for name, chosen in named:
            ours = known_split(name) or name
            if not chosen.size and ours != "train":
                continue
            if ours in parts:
                raise DataError(f"Two parts of the source are both called {ours!r}; rename one.")
            parts[ours] = (table, chosen)
    if "train" not in parts:
        raise DataError(
            f"The source has no split named 'train'; it has {sorted(parts)}: say which one is "
            f"(--splits train={next(iter(parts), 'NAME')})."
        )
    return parts


def _cut(
    parts: dict[str, Part], wanted: Mapping[str, float], options: ReadOptions
) -> dict[str, Part]:
    """Cut "valid" and "test" off "train" where the source has none."""
    missing = [name for name in wanted if name not in parts and wanted[name] > 0]
    if not missing:
        return parts
    table, rows = parts["train"]
    shares = tuple(wanted[name] for name in missing)
    codes = pc.dictionary_encode(table.labels, null_encoding="encode").combine_chunks().indices
    numbers = codes.to_numpy().astype(np.int64)[rows]
    hashes = table.table.column("content_hash").to_numpy()[rows]
    if options.group_column is None:
        assigned = cut_shares(numbers, hashes, shares, options.seed)
    else:
        values = table.raw.table.column(options.group_column)
        names = group_names(values.take(pa.array(rows)), options.group_column)
        alone = np.array([not name for name in names], dtype=bool)
        together = joined_groups(hashes, content_hashes(names), alone)
        assigned = cut_groups(numbers, together, shares, options.seed)
    cut = {name: (table, rows[assigned == i]) for i, name in enumerate(missing, start=1)}
    cut = {name: part for name, part in cut.items() if part[1].size}
    return {
        "train": (table, rows[assigned == 0]),
        **cut,
        **{k: v for k, v in parts.items() if k != "train"},
    }


def _refuse_one_class(part: Part, roles: ColumnRoles, name: str) -> None:
    table, rows = part
    found = pc.unique(table.labels.take(pa.array(rows))).to_pylist()
    name = "the ZIP" if table.raw.file.kind == "zip" else name  # its pictures lie in a Parquet file
    if len(found) < 2 and table.raw.file.kind in ("folder", "zip"):
        raise DataError(
            f"All pictures of {name} to train on stand in the folder {found[0]!r}; put those of "
            "each class into a folder of its own, or name a table that lists them with classes."
        )
    if len(found) < 2:
        raise DataError(
            f"Column {roles.label!r} of {name} has only the class {found[0]!r} in its training "
            "rows; label two classes at least, or name another label column (--label)."
        )


def _columns(
    table: PreparedTable, rows: npt.NDArray[np.int64], classes: tuple[str, ...]
) -> pa.Table:
    labels = pc.index_in(table.labels, value_set=pa.array(classes, pa.string()))
    whole = table.table.append_column("label", labels.cast(pa.int64()))
    return whole if rows.size == whole.num_rows else whole.take(pa.array(rows))


def _unlabelled(tables: Sequence[PreparedTable], classes: tuple[str, ...]) -> dict[str, pa.Table]:
    """Rows to predict, by the name of their split.

    Raises:
        DataError: two splits have one name.
    """
    found: dict[str, pa.Table] = {}
    for table in tables:
        for name, rows in table.unlabelled.items():
            if name in found:
                raise DataError(f"Two parts of the source are both called {name!r}; rename one.")
            if rows.size:
                found[name] = _columns(table, rows, classes)
    return found


def _source(parts: Mapping[str, Part], roles: ColumnRoles, options: ReadOptions) -> SourceInfo:
    chosen: dict[str, Any] = {k: v for k, v in asdict(options).items() if v is not None}
    whole = {name: table.raw for name, (table, _) in parts.items()}
    return SourceInfo(
        files={name: raw.file for name, raw in whole.items()},
        label_column=roles.label,
        content_column=roles.content,
        id_column=roles.id,
        split_column=roles.split,
        columns=tuple(parts["train"][0].raw.table.column_names),
        options=chosen,
    )
