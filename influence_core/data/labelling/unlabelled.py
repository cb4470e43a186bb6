"""Splits of which no row has a label, such as the test split of a competition: left out, and told.

They can be neither learned from nor judged by, and their rows are no mistakes of anybody, so they
do not count as bad rows. `data.assemble` is the only caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.bad_rows import split_names
from influence_core.data.rows import PreparedTable, Problem, RawTable
from influence_core.data.splitting import known_split

NO_CLASS = "-1"  # what stands for "no label" among numbers
WHY = Problem("has no label, like every row of its split")


def with_label_column(raws: Sequence[RawTable], label: str) -> list[RawTable]:
    """The tables, training rows first; those that lack nothing but the label's column get it."""
    first, *others = raws
    return [first, *(_with_column(raw, label, {*first.table.column_names}) for raw in others)]


def _with_column(raw: RawTable, label: str, known: set[str]) -> RawTable:
    names = {*raw.table.column_names}
    if label in names or not names < known:
        return raw  # with columns of other names, one of which may be the label
    return replace(raw, table=raw.table.append_column(label, pa.nulls(raw.table.num_rows)))


def without_unlabelled(
    tables: Sequence[PreparedTable], shares: Mapping[str, float]
) -> tuple[list[PreparedTable], tuple[str, ...]]:
    """The tables with the rows of such splits marked as left out, and a sentence about each split.

    Args:
        tables: all of the source.
        shares: of the training rows that become a split which the source lacks.
    """
    splits = [_rows_by_split(table) for table in tables]
    others = {
        label
        for table, rows in zip(tables, splits, strict=True)
        for label in pc.unique(_without(table, rows)).to_pylist()
    }
    numbers = pa.array([NO_CLASS] * (NO_CLASS not in others), pa.string())
    made, told = [], []
    for table, rows in zip(tables, splits, strict=True):
        none = pc.is_null(table.labels)
        none = pc.or_(none, pc.is_in(table.labels, value_set=numbers)).to_numpy()
        out = {name: at for name, at in rows.items() if at.size and none[at].all()}
        told += [_sentence(name, at.size, shares) for name, at in out.items()]
        meant = {int(row): WHY for at in out.values() for row in at}
        mask = pa.array(np.isin(np.arange(len(none)), list(meant)))
        labels = pc.if_else(mask, None, table.labels) if meant else table.labels
        made.append(replace(table, labels=labels, meant={**table.meant, **meant}))
    return made, tuple(told)


def _rows_by_split(table: PreparedTable) -> dict[str, npt.NDArray[np.int64]]:
    """Positions by split, but for rows that are trained on or belong to none."""
    names = split_names(table)
    found = {} if names is None else {name: known_split(name) or name for name in {*names} - {None}}
    return {
        ours: np.flatnonzero(names == name)
        for name, ours in sorted(found.items())
        if ours != "train"
    }


def _without(table: PreparedTable, rows: Mapping[str, npt.NDArray[np.int64]]) -> pa.Array:
    """Labels of the rows that are trained on, or of splits that have other ones than -1."""
    labels = table.labels
    every = np.ones(len(labels), dtype=bool)
    for at in rows.values():
        found = pc.unique(labels.take(pa.array(at))).to_pylist()
        every[at] = bool({*found} - {None, NO_CLASS})
    return labels.filter(pa.array(every))


def _sentence(name: str, count: int, shares: Mapping[str, float]) -> str:
    said = f"Split {name}: {count:,} rows without labels, left out of training and judging."
    if not shares.get(name):
        return said
    return (
        f"{said} A share of the training rows ({shares[name]:.0%}) stands in as {name} "
        f"(--{name}-share 0 for none)."
    )
