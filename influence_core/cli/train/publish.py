"""The verb publish: a model of the user's own by its probabilities, or out of a checkpoint."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    print_checks,
    print_json,
    run_json,
    stoppable,
    verb,
)
from influence_core.workflow.projects.named import read_places

if TYPE_CHECKING:
    from influence_core.store.project import Project
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


CheckpointOption = Annotated[
    Path | None,
    typer.Option(help="Folder of a network that was trained with turn-over layers elsewhere."),
]
LoaderOption = Annotated[
    str | None,
    typer.Option(
        help="Your own function that loads --checkpoint, as module:function; takes the folder, "
        "returns the network and what prepares its inputs."
    ),
]


@app.command("publish")
@verb
def publish_verb(
    project: ProjectArgument,
    proba: ProbaOption = None,
    out_of_sample: OutOfSampleOption = False,
    checkpoint: CheckpointOption = None,
    loader: LoaderOption = None,
    note: Annotated[str, typer.Option(help="Shown beside the run.")] = "",
    json: JsonOption = False,
) -> None:
    """Show a model of your own, by its probabilities or out of a turn-over checkpoint."""
    if proba is not None and checkpoint is None and loader is None:
        source = partial(_of_probabilities, proba, out_of_sample)
    elif proba is None and checkpoint is not None and loader is not None:
        source = partial(_of_checkpoint, checkpoint, loader)
    else:
        raise typer.BadParameter(
            "name files of probabilities, as --proba train=a.npy,test=b.npy, or a --checkpoint "
            "together with its --loader"
        )
    with bar(json) as tell, stoppable() as cancel:
        run = source(find_project(project), note=note, progress=tell, cancel=cancel)
    keep_result(run=run.id)
    if json:
        print_json({"run": run.id, **run_json(run)})
        return
    show_run(run)


def show_run(run: "Run") -> None:
    """Its id and figures."""
    out.print(f"Run [bold]{run.id}[/bold] of {escape(str(run.record.trained))}")
    for name, value in run.record.metrics.items():
        if name != "epochs":
            out.print(f"  {name} {value:.4g}")
    print_checks(run)


def _of_probabilities(proba: str, out_of_sample: bool, project: "Project", **how: Any) -> "Run":
    from influence_core.workflow.train.own.probabilities import publish_probabilities

    places = read_places(proba)
    return publish_probabilities(project, places, known_out_of_sample=out_of_sample, **how)


def _of_checkpoint(folder: Path, loader: str, project: "Project", **how: Any) -> "Run":
    from influence_core.workflow.train.own.checkpoint import publish_checkpoint

    return publish_checkpoint(project, folder, loader, **how)
