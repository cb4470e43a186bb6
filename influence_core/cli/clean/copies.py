"""What `turnover labels --duplicates` lists and decides: sets of copies, exact and near."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.markup import escape

from influence_core.cli.common import out, print_table, stoppable
from influence_core.data.keys import from_hex, to_hex
from influence_core.workflow.review.copies import (
    Copies,
    all_copies,
    keep_one_each,
    standing,
)
from influence_core.workflow.review.desk import Desk, open_desk
from influence_core.workflow.review.moves import move_to_train
from influence_core.workflow.session import Session


def found_copies(session: Session, top: int | None, exact: bool) -> tuple[Desk, list[Copies], int]:
    """The desk, the first sets, and how many there are; `exact` ones alone, if asked for."""
    with stoppable() as cancel:
        sets = all_copies(session.project, cancel)
    if exact:
        sets = [one for one in sets if one.kind == "exact"]
    desk = open_desk(session)
    return desk, standing(desk, sets[: top or len(sets)]), len(sets)


def leave_one(desk: Desk, found: Sequence[Copies], reviewer: str) -> int:
    """Exclude all but one row of each set, in one step; how many rows it is about."""
    return desk.decide(reviewer, keep_one_each(desk, found))


def move(desk: Desk, found: Sequence[Copies], reviewer: str) -> int:
    """Leave copies of training rows out of the other splits of each open set; how many rows."""
    return sum(move_to_train(desk, one, reviewer) for one in found if not one.settled)


def copies_table(desk: Desk, found: Sequence[Copies]) -> pd.DataFrame:
    """A line a row of each set; the columns that `turnover decide` reads are filled in.

    The verdict stands where the row would be left out so that one of its set remains.
    """
    lines = []
    for number, one in enumerate(found, 1):
        for row in one.rows:
            split = desk.session.project.dataset.split(row.split)
            stays = one.remains(row)
            lines.append(
                {
                    "set": number,
                    "kind": one.kind,
                    "split": row.split,
                    "key": to_hex(split.keys[row.position]),
                    "id": split.ids[row.position],
                    "label": desk.classes[row.label] if row.label >= 0 else "",
                    "labels_differ": one.differ,
                    "across_splits": one.leaks,
                    "verdict": "" if stays or row.excluded else "exclude",
                    "new_label": "",
                    "decision": row.outcome,
                    "stays": stays,
                }
            )
    return pd.DataFrame(lines, columns=_COLUMNS)


def copies_json(desk: Desk, found: Sequence[Copies], total: int) -> dict[str, Any]:
    """The sets for machines."""
    own = ("split", "key", "id", "label", "decision", "stays")
    table = copies_table(desk, found)
    lines = dict(list(table.groupby("set")))
    return {
        "run": desk.session.run.id,
        "total": total,
        "sets": [
            {
                "kind": one.kind,
                "labels_differ": one.differ,
                "across_splits": one.leaks,
                "settled": one.settled,
                "rows": lines[number][list(own)].to_dict("records"),
            }
            for number, one in enumerate(found, 1)
        ],
    }


def show_copies(
    desk: Desk, found: Sequence[Copies], total: int, written: int | None, moved: int | None
) -> None:
    """The sets on screen, and what comes next."""
    table = copies_table(desk, found)
    table["kind"] = [_said(found[number - 1]) for number in table["set"]]
    shown = table[["set", "kind", "split", "id", "label", "stays"]].assign(
        stays=["yes" if stays else "no" for stays in table["stays"]], text=_texts(desk, table)
    )
    if not total:
        out.print("No two rows are copies of each other.")
        return
    sets = "1 set" if total == 1 else f"{total:,} sets"
    left = f"; the first {len(found):,}" if len(found) < total else ""
    if not any(shown["text"]):
        shown = shown.drop(columns="text")
    print_table(f"{sets} of copies{left}", shown)
    name = escape(desk.session.project.root.name)
    said = f"Exclude what does not stay: turnover labels {name} --duplicates --keep-one"
    if moved is not None:
        rows = "1 row" if moved == 1 else f"{moved:,} rows"
        out.print(f"{rows} moved to train. Move back, on Labels under Duplicates, undoes it.")
    if written is not None:
        rows = "1 decision" if written == 1 else f"{written:,} decisions"
        said = f"{rows} written. Undo my last step, on Labels under Duplicates, takes them back."
    out.print(said, soft_wrap=True)


def _said(one: Copies) -> str:
    parts = [one.kind, *["labels differ"] * one.differ, *["across splits"] * one.leaks]
    return ", ".join([*parts, *["decided"] * (one.settled and bool(one.training))])


def _texts(desk: Desk, table: pd.DataFrame) -> list[str]:
    """The beginning of each sentence; "" for pictures, and where it is that of the line before."""
    dataset, out, before = desk.session.project.dataset, [], ""
    for name, key in zip(table["split"], table["key"], strict=True):
        split = dataset.split(name)
        if split.content_column != "text":
            return [""] * len(table)
        text = split.texts([split.position(from_hex(key))])[0]
        cut = text if len(text) <= _CUT else f"{text[:_CUT].rstrip()} …"
        out.append("〃" if text == before else cut)
        before = text
    return out


_CUT = 80  # characters of a sentence on screen
_COLUMNS = [
    "set", "kind", "split", "key", "id", "label", "labels_differ", "across_splits", "verdict",
    "new_label", "decision", "stays",
]  # fmt: skip
