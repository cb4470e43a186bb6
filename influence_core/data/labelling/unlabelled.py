"""Splits of which no row has a label, such as the test split of a competition: kept for prediction.

They can be neither learned from nor judged by, and their rows are no mistakes of anybody, so they
do not count as bad rows. What cannot be predicted, such as an empty text, is left out and counted.
`data.assemble` is the only caller.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.bad_rows import split_names
from influence_core.data.rows import PreparedTable, RawTable, without_label
from influence_core.data.splitting import known_split

NO_CLASS = "-1"  # what stands for "no label" among numbers


def with_label_column(raws: Sequence[RawTable], label: str) -> list[RawTable]:
    """The tables, training rows first; those that lack nothing but the label's column get it."""
    first, *others = raws
    return [first, *(_with_column(raw, label, {*first.table.column_names}) for raw in others)]


def _with_column(raw: RawTable, label: str, known: set[str]) -> RawTable:
    names = {*raw.table.column_names}
    if label in names or not names < known:
        return raw  # with columns of other names, one of which may be the label
    return replace(raw, table=raw.table.append_column(label, pa.nulls(raw.table.num_rows)))


def set_unlabelled_aside(
    tables: Sequence[PreparedTable], label: str, shares: Mapping[str, float]
) -> tuple[list[PreparedTable], tuple[str, ...]]:
    """The tables with such splits as `unlabelled`, and a sentence about each.

    Args:
        tables: all of the source.
        label: the label column.
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
        aside = {name: at for name, at in rows.items() if at.size and none[at].all()}
        made.append(_aside(table, aside, label) if aside else table)
        kept = {name: at.size for name, at in made[-1].unlabelled.items() if at.size}
        told += [_sentence(name, count, shares) for name, count in kept.items()]
    return made, tuple(told)


def _aside(
    table: PreparedTable, splits: Mapping[str, npt.NDArray[np.int64]], label: str
) -> PreparedTable:
    """The table with these rows kept for prediction, but for those that nothing can predict."""
    rows = np.concatenate(list(splits.values()))
    only = without_label(label)
    bad = {int(row): table.problems.get(int(row), only) for row in rows}
    bad = {row: why for row, why in bad.items() if why != only}
    mask = pa.array(np.isin(np.arange(len(table.labels)), rows))
    return replace(
        table,
        labels=pc.if_else(mask, None, table.labels),
        meant={**table.meant, **bad},
        unlabelled={name: np.setdiff1d(at, [*bad]) for name, at in splits.items()},
    )


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
    said = (
        f"Split {name}: {count:,} rows without labels, kept for prediction (`turnover predict`); "
        "they are used for nothing else."
    )
    if not shares.get(name):
        return said
    return (
        f"{said} A share of the training rows ({shares[name]:.0%}) stands in as {name} "
        f"(--{name}-share 0 for none)."
    )
