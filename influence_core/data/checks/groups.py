"""The finding about groups, such as patients, on both sides of the source's own splits."""

import numpy as np

from influence_core.data.build import extra_names
from influence_core.data.checks.finding import Finding, Found, number_of
from influence_core.data.dataset import Dataset, Split
from influence_core.data.rows import group_names

NAMED = 3


def groups_on_both_sides(dataset: Dataset) -> Found:
    """Rows outside train whose group is also in train; splits that were cut here have none."""
    source = dataset.source
    column = source.options.get("group_column")
    if column is None:
        return
    roles = {source.label_column, source.content_column, source.id_column, source.split_column}
    kept = "id" if column == source.id_column else extra_names(source.columns, roles).get(column)
    if kept is None:
        return  # it is the label, the content or the split, about which others speak
    trained = {*_groups(dataset.train, kept, column)} - {""}
    for split in dataset:
        if split.name == "train":
            continue
        names = _groups(split, kept, column)
        rows = np.flatnonzero([name in trained for name in names])
        if not rows.size:
            continue
        both = list(dict.fromkeys(names[row] for row in rows))
        listed = ", ".join(map(repr, both[:NAMED]))
        more = f" and {len(both) - NAMED:,} more" if len(both) > NAMED else ""
        stand = "stands" if len(both) == 1 else "stand"
        what = (
            f"{number_of(len(both), 'group')} of column {column!r} {stand} in train and in "
            f"{split.name}: {listed}{more} ({number_of(rows.size)} of {split.name})."
        )
        yield Finding("groups", "warning", what, split.name, rows, _advice(dataset, column))


def _advice(dataset: Dataset, column: str) -> str:
    """What can be done depends on what made the splits."""
    said = "Results on them are too good to be true: take them out of one of the two, or "
    if dataset.source.split_column is not None:
        return f"{said}have all rows cut again (--no-split --group {column!r})."
    return f"{said}put all rows in one file, which is then cut by group (--group {column!r})."


def _groups(split: Split, kept: str, column: str) -> list[str]:
    if kept not in split.table.column_names:
        return [""] * len(split)
    return group_names(split.table.column(kept), column)
