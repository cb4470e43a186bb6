"""Labels as the user wants them: spellings joined to one class, classes left out.

What is told in `ReadOptions.join` and `leave_out` becomes one mapping from a label of the source to
its class. The source keeps its spelling, and so does an export of rows that nobody changed.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.budget import short_list
from influence_core.data.checks.spellings import (
    ALIKE,
    FIRST,
    MISSING,
    first_labels,
    missing_names,
    same_classes,
)
from influence_core.data.options import ReadOptions
from influence_core.data.rows import PreparedTable, Problem
from influence_core.errors import DataError


def with_wanted_labels(
    tables: Sequence[PreparedTable], options: ReadOptions
) -> tuple[list[PreparedTable], dict[str, str | None]]:
    """The tables with joined labels, and what became of each label that is not as it was.

    A label to be left out becomes None; its rows are `meant` to be left out, and get no label.

    Raises:
        DataError: a label to be joined or left out is not there.
    """
    if not options.join and not options.leave_out:
        return list(tables), {}
    counts: Counter[str] = Counter()
    for table in tables:
        found = pc.value_counts(table.labels.drop_null())
        values, numbers = (found.field(i).to_pylist() for i in (0, 1))
        counts.update(dict(zip(values, numbers, strict=True)))
    out = left_out(list(counts), options.leave_out or ())
    kept = {name: count for name, count in counts.items() if name not in out}
    became: dict[str, str | None] = {
        **joined(kept, options.join or ()),
        **dict.fromkeys(out),
    }
    if not became:
        return list(tables), {}
    old = pa.array(list(became), pa.string())
    new = pa.array(list(became.values()), pa.string())
    made = []
    for table in tables:
        place = pc.index_in(table.labels, value_set=old)
        labels = pc.if_else(place.is_valid(), pc.take(new, place), table.labels)
        unwanted = pc.is_in(table.labels, value_set=pa.array(sorted(out), pa.string()))
        rows = np.flatnonzero(unwanted.to_numpy()).tolist()
        meant = dict.fromkeys(rows, Problem("has a label that was to be left out"))
        made.append(replace(table, labels=labels, meant={**table.meant, **meant}))
    return made, became


def joined(counts: Mapping[str, int], wanted: Sequence[str]) -> dict[str, str]:
    """The class of every label that changes its name, by what was told, in that order.

    Args:
        counts: rows of each label.
        wanted: "alike" (names that may be one class, by the most frequent), "first" (the first of
            several labels), or "class=label".

    Raises:
        DataError: a label is not there, or what is told is none of these.
    """
    became = {name: name for name in counts}
    for told in wanted:
        rows: Counter[str] = Counter()
        for name, count in counts.items():
            rows[became[name]] += count
        if told == FIRST:
            step = first_labels(list(rows))
        elif told == ALIKE:
            step = {}
            for group in same_classes(sorted(rows)):
                step |= dict.fromkeys(group, max(group, key=lambda name: rows[name]))
        else:
            step = _told(told, rows)
        became = {name: step.get(now, now) for name, now in became.items()}
    return {name: now for name, now in became.items() if name != now}


def left_out(names: Sequence[str], wanted: Sequence[str]) -> set[str]:
    """Labels whose rows are left out: those told, and for "missing" all that read like it.

    Raises:
        DataError: there is no such label.
    """
    out: set[str] = set()
    for told in wanted:
        out.update(missing_names(names) if told == MISSING else [told])
        if told != MISSING and told not in names:
            raise DataError(
                f"No label reads {told!r} (--leave-out); there are {short_list(sorted(names))}, "
                f"and {MISSING!r} for all that read like none."
            )
    return out


def _told(told: str, rows: Mapping[str, int]) -> dict[str, str]:
    """ "class=label"; either may hold a "=" of its own."""
    cuts = [i for i, letter in enumerate(told) if letter == "="]
    for cut in cuts:
        if told[cut + 1 :] in rows and told[:cut].strip():
            return {told[cut + 1 :]: told[:cut]}
    raise DataError(
        f"{told!r} joins nothing: write {ALIKE!r}, {FIRST!r}, or CLASS=LABEL with a label that is "
        f"there, such as {short_list(sorted(rows))}."
    )
