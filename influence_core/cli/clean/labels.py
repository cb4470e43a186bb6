"""The verbs of label quality: labels, decide. What has been decided is told by `decisions`.

Exit codes: 0 done, 1 refused with what is wrong on standard error (nothing was written then), 2
wrong usage, 130 stopped on request.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from rich.markup import escape

from influence_core.cli.clean.copies import (
    copies_json,
    copies_table,
    found_copies,
    leave_one,
    move,
    show_copies,
)
from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    SplitOption,
    app,
    bar,
    err,
    find_project,
    keep_result,
    out,
    print_json,
    print_table,
    records,
    stoppable,
    verb,
)
from influence_core.data.dataset import Split
from influence_core.data.keys import to_hex
from influence_core.data.options import ReadOptions
from influence_core.data.source import QUOTINGS
from influence_core.disk.atomic import write_text
from influence_core.errors import DataError
from influence_core.labels.scores import COLUMNS
from influence_core.store.exports.csv_fields import escaped
from influence_core.store.reviews.store import TRAIN
from influence_core.workflow.exchange.import_decisions import (
    FORMATS,
    apply_decisions,
    read_decisions,
)
from influence_core.workflow.review.copies import Copies, as_now
from influence_core.workflow.review.desk import Desk, open_desk
from influence_core.workflow.review.scores import label_table
from influence_core.workflow.session import Session, open_session

_ON_SCREEN = 20
LOCAL = "local"  # the reviewer's name where nobody logs in, as in the dashboard
_SHOWN = ["key", "id", "given", "suggested", "p_given", "p_suggested", "knn_agreement", "flagged"]
SafeOption = Annotated[
    bool, typer.Option("--spreadsheet-safe", help="CSV: guard against formulas; this changes text.")
]
FormatOption = Annotated[str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")]


@app.command("labels")
@verb
def labels_verb(
    project: ProjectArgument,
    top: Annotated[
        int | None,
        typer.Option(min=1, help="Most suspicious rows, or sets; 20 on screen, else all."),
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="CSV file to write.")] = None,
    duplicates: Annotated[
        bool,
        typer.Option("--duplicates", help="List sets of copies, exact and near, of all splits."),
    ] = False,
    exact: Annotated[
        bool, typer.Option("--exact", help="With --duplicates: only copies of the same content.")
    ] = False,
    keep_one: Annotated[
        bool,
        typer.Option(
            "--keep-one",
            help="With --duplicates: exclude all but one training row of each listed set, all of a "
            "set that another split holds a row of.",
        ),
    ] = False,
    move_to_train: Annotated[
        bool,
        typer.Option(
            "--move-to-train",
            help="With --duplicates: leave rows with a copy in train out of the other splits; "
            "done before --keep-one, which then leaves one training row.",
        ),
    ] = False,
    reviewer: Annotated[
        str, typer.Option(help="Who decides, with --keep-one and --move-to-train.")
    ] = LOCAL,
    spreadsheet_safe: SafeOption = False,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """List training rows whose label is suspicious, the most suspicious first; or copies."""
    if (keep_one or exact or move_to_train) and not duplicates:
        raise DataError(
            "--keep-one, --move-to-train and --exact are about sets of copies; give --duplicates, "
            "too."
        )
    session = open_session(find_project(project), run, device)
    with bar(json) as tell, stoppable() as cancel:
        label_table(session, progress=tell, cancel=cancel)
    keep_result(run=session.run.id)
    if duplicates:
        decides = keep_one or move_to_train
        most = top if top or json or decides or target is not None else _ON_SCREEN
        desk, sets, total = found_copies(session, most, exact)
        moved = move(desk, sets, reviewer) if move_to_train else None
        sets = as_now(desk, sets) if moved else sets
        written = leave_one(desk, sets, reviewer) if keep_one else None
        _copies(desk, sets, total, (moved, written), target, spreadsheet_safe, json)
        return
    desk = open_desk(session)
    table, said = desk.scores, desk.skill.sentences(session.classes)
    found = _queue(session, table)
    if target is not None:
        _write_csv(target, _to_fill_in(found.head(top or len(found))), spreadsheet_safe)
    if json:
        print_json(
            {
                "run": session.run.id,
                "rows": len(table),
                "flagged": int(table["flagged"].sum()),
                "ranking": desk.ranking,
                "accuracy": desk.skill.accuracy,
                "learned": desk.skill.learned,
                "notes": said,
                "columns": {**COLUMNS, "id": "The row's id in the source."},
                "queue": records(found.head(top or len(found))),
            }
        )
        return
    if target is not None:
        out.print(f"{min(top or len(found), len(found)):,} lines in {escape(str(target))}")
        return
    for sentence in said:
        out.print(escape(sentence))
    title = f"{int(table['flagged'].sum()):,} of {len(table):,} labels are flagged"
    shown = found[_SHOWN].head(top or _ON_SCREEN)
    print_table(title, _with_text(session.project.dataset.train, shown))
    out.print(f"Next: turnover decide {escape(session.project.root.name)} decisions.csv")


def _copies(
    desk: Desk,
    found: list[Copies],
    total: int,
    done: tuple[int | None, int | None],
    target: Path | None,
    spreadsheet_safe: bool,
    json: bool,
) -> None:
    """Sets of copies, and how many rows moved and decisions were written, if any were to."""
    moved, written = done
    if target is not None:
        table = copies_table(desk, found)
        _write_csv(target, table, spreadsheet_safe)
        if not json:
            out.print(f"{len(table):,} lines in {escape(str(target))}")
            return
    if json:
        told = {"moved": moved, "written": written}
        told = {name: count for name, count in told.items() if count is not None}
        print_json({**copies_json(desk, found, total), **told})
        return
    show_copies(desk, found, total, written, moved)


@app.command("decide")
@verb
def decide_verb(
    project: ProjectArgument,
    source: Annotated[Path, typer.Argument(metavar="DECISIONS", help="File with decisions.")],
    form: FormatOption = "csv",
    split: SplitOption = TRAIN,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad lines out instead of refusing the file.")
    ] = False,
    reviewer: Annotated[str, typer.Option(help="Where the file names nobody.")] = LOCAL,
    encoding: Annotated[
        str | None, typer.Option(help="Of a CSV, such as utf-8, cp1251, gbk.")
    ] = None,
    quoting: Annotated[
        str | None, typer.Option(help=f"Of fields of a CSV: {', '.join(QUOTINGS)}.")
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="They wait to be accepted, and count for nothing yet.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write decisions from a file: all of it, or nothing if a line is bad.

    A CSV needs the columns verdict (relabel, exclude, keep, unsure) and key or id; new_label, note
    and reviewer are read if they are there. What `turnover labels --out` writes has them: fill in
    the verdict; where it is relabel and no new_label is given, the suggested one is meant.
    """
    opened = find_project(project)
    reading = ReadOptions.of({"encoding": encoding, "quoting": quoting})
    decisions = read_decisions(opened, source, form, reading, split)
    run = opened.latest_run()
    run_id = "" if run is None else run.id
    written = apply_decisions(
        opened, decisions, reviewer, run_id=run_id, skip_bad=skip_bad, propose=propose
    )
    known = len(decisions) - written
    if json:
        said = {"problems": list(decisions.problems), "notes": list(decisions.notes)}
        print_json({"proposed" if propose else "written": written, "known": known, **said})
        return
    for note in decisions.notes:
        err.print(escape(note), soft_wrap=True)
    for problem in decisions.problems:
        err.print(f"[yellow]Left out[/yellow] {escape(problem)}", soft_wrap=True)
    tail = f"; {known:,} were there already" if known else ""
    out.print(f"{written:,} decisions {'proposed' if propose else 'written'}{tail}.")


def _queue(session: Session, table: pd.DataFrame) -> pd.DataFrame:
    """All rows in the order of the queue, classes by name, with their ids."""
    ranked = table.sort_values("suspicion_rank")
    train = session.project.dataset.train
    columns = {name: _names(session, ranked[name]) for name in ("given", "suggested")}
    named = ranked.assign(**columns)
    named.insert(1, "id", [train.ids[position] for position in ranked["position"]])
    return named


def _to_fill_in(found: pd.DataFrame) -> pd.DataFrame:
    """With empty columns for what `turnover decide` reads."""
    made = found.copy()
    for name in ("new_label", "verdict"):
        made.insert(list(made.columns).index("suggested") + 1, name, "")
    return made


def _names(session: Session, numbers: pd.Series) -> list[str]:
    return [session.classes[number] if number >= 0 else "" for number in numbers]


def _with_text(train: Split, shown: pd.DataFrame) -> pd.DataFrame:
    """Rows with their sentences if they have some."""
    if train.content_column != "text":
        return shown
    keys = shown["key"].to_numpy(dtype=np.uint64)
    return shown.assign(text=train.texts(train.positions_of(keys)))


def _write_csv(path: Path, frame: pd.DataFrame, spreadsheet_safe: bool) -> None:
    """A table as CSV with the columns of `--json`, keys as 16 hex digits."""
    plain = frame.assign(key=[key if isinstance(key, str) else to_hex(key) for key in frame["key"]])
    if spreadsheet_safe:
        plain = plain.map(lambda cell: escaped(cell) if isinstance(cell, str) else cell)
    # Python before 3.13 quotes a lone "\r" only if the line end has one.
    write_text(path, plain.to_csv(index=False, lineterminator="\r\n"))
