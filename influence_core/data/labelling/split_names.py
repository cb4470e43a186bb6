"""Splits under the names that the user gave them: "test=validation" of `ReadOptions.splits`.

One mechanism for data sets of the hub, saved ones, folders, files and a column of splits: what the
source calls its splits is renamed before anything else looks at the names. `data.assemble` and the
exports call this.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from influence_core.data.budget import short_list
from influence_core.data.build import SPLIT_NAME
from influence_core.data.columns import SPLIT_NAMES
from influence_core.data.content import by_name
from influence_core.data.options import ReadOptions
from influence_core.data.rows import RawTable, column_text
from influence_core.data.splitting import known_split
from influence_core.errors import DataError


def our_name(theirs: str, renamed: Mapping[str, str]) -> str:
    """What a split of the source is called here."""
    return renamed.get(theirs) or known_split(theirs) or theirs


def renamed_splits(options: ReadOptions) -> dict[str, str]:
    """Our name of each split of the source that the user gave one.

    Raises:
        DataError: one reads like no "ours=theirs", or names two splits alike.
    """
    found: dict[str, str] = {}
    for told in options.splits or ():
        ours, equals, theirs = (part.strip() for part in told.partition("="))
        if not (equals and theirs and SPLIT_NAME.fullmatch(ours)):
            raise DataError(
                f"{told!r} renames no split; write --splits test=validation, our name first."
            )
        ours = known_split(ours) or ours
        if theirs in found or ours in found.values():
            raise DataError(f"{told!r} stands beside another name of the same split (--splits).")
        found[theirs] = ours
    return found


def with_renamed_splits(raws: Sequence[RawTable], options: ReadOptions) -> list[RawTable]:
    """The tables with the user's names of splits, also in the column that names them.

    Raises:
        DataError: the source has no split of a name that was given.
    """
    renamed = renamed_splits(options)
    if not renamed:
        return list(raws)
    names = {raw.split for raw in raws} - {None}
    column = options.split_column
    if column is None:
        column = by_name(raws[0].table.column_names, SPLIT_NAMES)
    tables = [raw for raw in raws if column and column in raw.table.column_names]
    for raw in tables:
        names |= {*column_text(raw.table.column(column), str(column)).unique().to_pylist()} - {None}
    missing = [theirs for theirs in renamed if theirs not in names]
    if missing:
        there = f"it has {short_list(sorted(map(str, names)))}" if names else "it names none"
        raise DataError(
            f"{raws[0].name} has no split {missing[0]!r} to rename (--splits); {there}. If a "
            "column names the splits, say which (--split)."
        )
    said = [
        f"Split {theirs!r} of the source is read as {ours}." for theirs, ours in renamed.items()
    ]
    made = []
    for number, raw in enumerate(raws):
        told = (*raw.told, *said) if number == 0 else raw.told
        split = renamed.get(raw.split or "", raw.split)
        made.append(_in_column(replace(raw, split=split, told=told), column, renamed))
    return made


def _in_column(raw: RawTable, column: str | None, renamed: Mapping[str, str]) -> RawTable:
    if not column or column not in raw.table.column_names:
        return raw
    texts = column_text(raw.table.column(column), column).to_pandas().to_numpy(dtype=object)
    texts = np.array([renamed.get(text, text) for text in texts], dtype=object)
    position = raw.table.column_names.index(column)
    return replace(raw, table=raw.table.set_column(position, column, pa.array(texts, pa.string())))
