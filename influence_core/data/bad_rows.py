"""Rows that cannot be used: refused by name, or left out and counted by reason and split.

`data.assemble` is the only caller. Each refusal is one sentence that names the row as the user's
editor does.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.budget import short_list
from influence_core.data.columns import ColumnRoles
from influence_core.data.keys import occurrence_numbers
from influence_core.data.options import ReadOptions
from influence_core.data.rows import PreparedTable, Problem, RawTable
from influence_core.data.source import LeftOut
from influence_core.data.splitting import known_split
from influence_core.errors import DataError

NAMED = 3  # of what is left out for one reason


def find_problems(
    table: PreparedTable, classes: tuple[str, ...], options: ReadOptions
) -> dict[int, Problem]:
    """What is wrong with rows that are left out, by position.

    Raises:
        DataError: bad rows are to be refused; names the first.
    """
    meant = dict(table.meant)
    if options.bad_rows == "keep":
        return meant
    known = pc.is_in(table.labels, value_set=pa.array(classes, pa.string()))
    strange = pc.and_(pc.invert(known), table.labels.is_valid()).to_numpy()
    problems = dict(table.problems)
    for position in np.flatnonzero(strange).tolist():
        label = table.labels[position].as_py()
        detail = f": {label!r} is not among {short_list(classes)}"
        problems[position] = Problem("has a label that is no class", detail)
    kept = {int(row) for rows in table.unlabelled.values() for row in rows}
    problems = {row: why for row, why in problems.items() if row not in meant and row not in kept}
    if problems and options.bad_rows == "refuse":
        raise bad_row(table.raw, problems)
    return problems | meant


def bad_row(raw: RawTable, problems: dict[int, Problem]) -> DataError:
    """Names the first bad row, and says how many there are."""
    others = f" ({len(problems):,} rows have problems)" if len(problems) > 1 else ""
    place, problem = raw.place(min(problems)), "".join(problems[min(problems)]).rstrip(".;")
    return DataError(
        f"{place[:1].upper()}{place[1:]} {problem}{others}; fix it, or leave such rows out "
        "(--drop-bad)."
    )


def good_rows(table: PreparedTable, problems: dict[int, Problem]) -> npt.NDArray[np.int64]:
    """Positions of the rows that go on to a split with labels."""
    everything = np.arange(len(table.labels))
    out = [np.fromiter(problems, dtype=np.int64), *table.unlabelled.values()]
    return np.setdiff1d(everything, np.concatenate(out))


def left_out(table: PreparedTable, problems: dict[int, Problem]) -> Iterator[LeftOut]:
    """What the reader and the checks took out, by reason and split."""
    split = table.raw.split or ""
    for out in table.raw.left_out:
        yield out if out.split is not None else replace(out, split=known_split(split) or split)
    names = split_names(table)
    alike: dict[tuple[str, str], list[int]] = {}
    for position in sorted(problems):
        split = "" if names is None else names[position] or ""
        alike.setdefault((problems[position].what, known_split(split) or split), []).append(
            position
        )
    for (why, split), rows in alike.items():
        places = tuple(table.raw.place(row) for row in rows[:NAMED])
        yield LeftOut(why, len(rows), places, split)


def split_names(table: PreparedTable) -> npt.NDArray[np.object_] | None:
    """(N,) what the source calls each row's split, None if it knows none."""
    if table.split_values is not None:
        return np.array(table.split_values.to_pylist(), dtype=object)
    if table.raw.split is None:
        return None
    return np.full(len(table.labels), table.raw.split, dtype=object)


def refuse_repeated_ids(
    table: PreparedTable, rows: npt.NDArray[np.int64], roles: ColumnRoles
) -> None:
    """Make sure that no two rows of a part have one id.

    Raises:
        DataError: names both.
    """
    if roles.id is None:
        return
    ids = table.table.column("id").take(pa.array(rows))
    codes = ids.combine_chunks().dictionary_encode().indices.to_numpy()
    repeats = np.flatnonzero(occurrence_numbers(codes))
    if repeats.size:
        again = int(repeats[0])
        first = int(np.flatnonzero(codes == codes[again])[0])
        place = table.raw.place(int(rows[again]))
        raise DataError(
            f"{place[:1].upper()}{place[1:]} repeats the id {ids[again].as_py()!r} of "
            f"{table.raw.place(int(rows[first]))} in column {roles.id!r}; fix the ids, choose "
            "another column (--id), or use none (--no-id): then the content tells rows apart."
        )
