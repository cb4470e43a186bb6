"""The verb `decisions`: what has been decided, and what agents propose, to a file or in figures."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer
from rich.markup import escape

from influence_core.cli.clean.labels import FormatOption, SafeOption
from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    SplitOption,
    app,
    bar,
    find_project,
    out,
    print_json,
    print_table,
    records,
    stoppable,
    verb,
)
from influence_core.errors import DataError
from influence_core.labels.agreement import agreement
from influence_core.store.project import Project
from influence_core.store.reviews.store import TRAIN
from influence_core.workflow.exchange.export_proposals import export_proposals, proposals
from influence_core.workflow.exchange.export_rows import export_decisions
from influence_core.workflow.exchange.import_decisions import find_format
from influence_core.workflow.exchange.standing import changed_rows
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.review.desk import Desk, open_desk
from influence_core.workflow.review.items import ItemReviews
from influence_core.workflow.review.scores import label_table
from influence_core.workflow.session import Session, open_session


@app.command("decisions")
@verb
def decisions_verb(
    project: ProjectArgument,
    target: Annotated[
        Path | None, typer.Option("--out", help="File to write; without it, a summary.")
    ] = None,
    form: FormatOption = "csv",
    split: SplitOption = TRAIN,
    undecided: Annotated[
        int, typer.Option(min=0, help="So many undecided rows go along, most suspicious first.")
    ] = 0,
    proposed: Annotated[
        bool, typer.Option("--proposed", help="What agents propose, to be answered, instead.")
    ] = False,
    spreadsheet_safe: SafeOption = False,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Write all decisions to a file, or say how far the reviewers are."""
    opened = find_project(project)
    if proposed:
        if split != TRAIN or undecided:
            raise DataError(
                "Proposals are about training rows that wait for an answer; leave --split and "
                "--undecided out."
            )
        _proposals(opened, target, form, spreadsheet_safe, json)
        return
    if target is None:
        session = open_session(opened, run, device)
        if split == TRAIN:
            _summary(open_desk(session), json)
        else:
            _summary_of_items(session, split, json)
        return
    if split != TRAIN and undecided:
        raise DataError("Only training rows have a queue; leave --undecided out for other splits.")
    wanted = split == TRAIN and (find_format(form).scored or undecided > 0)
    with bar(json) as tell, stoppable() as cancel:
        scores = None
        if wanted and (run is not None or opened.latest_run() is not None):
            session = open_session(opened, run, device)
            scores = label_table(session, progress=tell, cancel=cancel)
    rows = export_decisions(
        opened, target, form,
        scores=scores, undecided=undecided, spreadsheet_safe=spreadsheet_safe, split=split,
    )  # fmt: skip
    _written(rows, target, json)


def _written(rows: int, target: Path, json: bool) -> None:
    if json:
        print_json({"out": target, "rows": rows})
    else:
        out.print(f"{rows:,} rows in {escape(str(target))}")


def _summary(desk: Desk, json: bool) -> None:
    """Progress, agreement, decisions that do not count, and whether to stop."""
    progress, advice = desk.progress(), desk.advice()
    agreed = agreement(desk.by_reviewer())
    changed = changed_rows(desk.session.project, desk.reviews)
    if json:
        print_json(
            {
                "rows": progress.total,
                "flagged": progress.flagged,
                "decided": progress.decided,
                "disputed": progress.disputed,
                "wrong": progress.wrong,
                "classes": records(progress.by_class),
                "agreement": records(agreed),
                "changed": records(changed),
                "left": advice.left,
                "left_interval": None if advice.left is None else [advice.low, advice.high],
                "advice": advice.sentence,
                "proposed": len(desk.proposals.waiting()),
            }
        )
        return
    out.print(
        f"{progress.decided:,} of {progress.total:,} rows are decided "
        f"({progress.flagged_decided:,} of {progress.flagged:,} flagged ones), "
        f"{progress.wrong:,} are wrong, {progress.disputed:,} are disputed."
    )
    print_table("By class", progress.by_class)
    if len(agreed):
        print_table("Agreement between reviewers", agreed)
    _print_changed(changed)
    out.print(escape(advice.sentence))
    proposed = len(desk.proposals.waiting())
    if proposed:
        name = escape(desk.session.project.root.name)
        out.print(f"{proposed:,} rows have a proposal: turnover decisions {name} --proposed")


def _proposals(
    project: Project, target: Path | None, form: str, spreadsheet_safe: bool, json: bool
) -> None:
    """What waits for an answer, of a row the latest; to a file or on screen."""
    if target is not None:
        rows = export_proposals(project, target, form, spreadsheet_safe=spreadsheet_safe)
        _written(rows, target, json)
        return
    found = proposals(project)
    if json:
        print_json({"proposals": records(found)})
    elif len(found):
        shown = found[["id", "given", "verdict", "new_label", "by", "note"]]
        print_table(f"{len(found):,} proposals wait for an answer; none counts before", shown)
        out.print(
            "Accept them on the page Labels; or write them with --out, take out what is wrong, and "
            f"give the file to: turnover decide {escape(project.root.name)} FILE --reviewer YOU"
        )
    else:
        out.print("Nothing is proposed.")


def _summary_of_items(session: Session, split: str, json: bool) -> None:
    """What the decisions change about the accuracy, and those that do not count."""
    found = ItemReviews(session.project, split).accuracy(predictions(session, split))
    changed = changed_rows(session.project, split=split)
    if json:
        print_json({"split": split, **asdict(found), "outdated": records(changed)})
        return
    out.print(escape(found.sentence(split)), soft_wrap=True)
    _print_changed(changed)


def _print_changed(changed: pd.DataFrame) -> None:
    if len(changed):
        print_table("Decisions that do not count: the row is another by now", changed)
