"""The verb publish: a model of the user's own by its probabilities."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from influence_core.cli.common import (
    JsonOption,
    ProjectArgument,
    app,
    bar,
    find_project,
    keep_result,
    out,
    print_json,
    stoppable,
    verb,
)
from influence_core.models.own.named import read_places

if TYPE_CHECKING:
    from influence_core.store.runs import Run

ProbaOption = Annotated[
    str | None,
    typer.Option(
        help="Probabilities by your own model, one row of classes a row, as train=oof.npy,"
        "test=proba.npy; those of train out-of-sample, from cross-validation."
    ),
]
OutOfSampleOption = Annotated[
    bool,
    typer.Option("--out-of-sample", help="Those of train are, though far better than the others."),
]


@app.command("publish")
@verb
def publish_verb(
    project: ProjectArgument,
    proba: ProbaOption = None,
    out_of_sample: OutOfSampleOption = False,
    note: Annotated[str, typer.Option(help="Shown beside the run.")] = "",
    json: JsonOption = False,
) -> None:
    """Show a model of your own by its probabilities: its mistakes, label flags, explanations."""
    if proba is None:
        raise typer.BadParameter("name files, as train=a.npy,test=b.npy", param_hint="--proba")
    from influence_core.workflow.train.own_model import publish_probabilities

    places = read_places(proba)
    with bar(json) as tell, stoppable() as cancel:
        run = publish_probabilities(
            find_project(project),
            places,
            known_out_of_sample=out_of_sample,
            note=note,
            progress=tell,
            cancel=cancel,
        )
    keep_result(run=run.id)
    if json:
        print_json({"run": run.id, "metrics": run.record.metrics})
        return
    show_run(run)


def show_run(run: "Run") -> None:
    """Its id and figures."""
    out.print(f"Run [bold]{run.id}[/bold] of {escape(str(run.record.trained))}")
    for name, value in run.record.metrics.items():
        if name != "epochs":
            out.print(f"  {name} {value:.4g}")
