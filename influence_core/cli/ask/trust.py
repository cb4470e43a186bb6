"""The verbs of trust: evaluate, and estimators to say what there is to trust."""

from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    announce,
    app,
    bar,
    find_project,
    keep_result,
    out,
    print_json,
    print_table,
    records,
    stoppable,
    verb,
)
from influence_core.disk.records import plain
from influence_core.workflow.evaluate.estimators import estimator_table
from influence_core.workflow.evaluate.evaluate import STAGES, EvaluateOptions, evaluate
from influence_core.workflow.expected import evaluation_text
from influence_core.workflow.session import open_session

_SHORT = 20  # rows of a table that are printed; all of them are stored with the run


@app.command("evaluate")
@verb
def evaluate_verb(
    project: ProjectArgument,
    what: Annotated[str, typer.Option(help=f"Comma-separated, of {', '.join(STAGES)}.")] = ",".join(
        STAGES
    ),
    split: Annotated[str, typer.Option(help="Split of the targets; test by default.")] = "",
    targets: Annotated[int, typer.Option(help="Misclassified and random targets, each.")] = 30,
    subsets: Annotated[int, typer.Option(help="Retrainings on random halves.")] = 100,
    same: Annotated[
        int, typer.Option(help="Retrainings of this very model without 1 % and 10 % of rows, each.")
    ] = 16,
    seed: Annotated[int, typer.Option(help="Of targets, halves and flips.")] = 0,
    use: Annotated[
        bool, typer.Option(help="Make the best method the project's default from now on.")
    ] = False,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Measure how far the scores can be believed on this very data."""
    options = EvaluateOptions(
        what=tuple(what.split(",")),
        split=split,
        targets=targets,
        subsets=subsets,
        same=same,
        seed=seed,
    )
    session = open_session(find_project(project), run, device)
    announce(evaluation_text(session, options))
    with bar(json) as tell, stoppable() as cancel:
        report = evaluate(session, options, progress=tell, cancel=cancel)
    keep_result(evaluation=session.run.id)
    best = report.record.estimator
    if use and best:
        session.project.with_settings(default_estimator=best)
    if json:
        tables = {name: records(table) for name, table in report.tables.items()}
        checks = {name: plain(check) for name, check in report.record.checks.items()}
        figures = dict(report.record.figures)
        print_json({"figures": figures, "checks": checks, "tables": tables, "best": best})
        return
    for name, table in report.tables.items():
        print_table(name, table.head(_SHORT))
    for name, check in report.record.checks.items():
        colour = "green" if check.passed else "red"
        out.print(f"[{colour}]{escape(name)}[/{colour}]: {escape(check.text)}")
    if report.record.reason:
        out.print(f"Best: {escape(best)}. {escape(report.record.reason)}.", soft_wrap=True)
        if best != session.estimator():
            out.print(f"The default stays {session.estimator()}; --use takes the best one.")


@app.command("estimators")
@verb
def estimators_verb(
    project: Annotated[
        str | None, typer.Argument(help="Show what was measured in this project, too.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Say what each estimator does, where it comes from, and what it was measured to be worth."""
    table = estimator_table(None if project is None else find_project(project))
    if json:
        print_json(records(table))
        return
    for line in records(table):
        out.print(f"[bold]{escape(line.pop('estimator'))}[/bold]  {escape(line.pop('title'))}")
        out.print(f"  {escape(line.pop('explanation'))}", soft_wrap=True)
        out.print(f"  Source: {escape(line.pop('source'))}", soft_wrap=True)
        known = [f"{name} {value:.3g}" for name, value in line.items() if value is not None]
        if known:
            out.print(f"  Measured here: {', '.join(known)}")
