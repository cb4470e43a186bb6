"""The training that follows `new --train`, and what may follow any: the map and the evaluation.

In a job each of these becomes a job of its own, so that the training is done and its errors can be
looked at; by hand they are made before the verb ends.
"""

import json
from collections.abc import Sequence
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from influence_core.disk.records import build, plain
from influence_core.jobs import start
from influence_core.jobs.report import job_folder
from influence_core.progress import ProgressFn

if TYPE_CHECKING:
    from influence_core.store.project import Project
    from influence_core.workflow.train.head import TrainOptions

TITLES = {"map": "Make the map", "evaluate": "Evaluate"}
ThenOption = Annotated[
    list[str] | None,
    typer.Option("--then", help=f"What follows, several times if need be: {', '.join(TITLES)}."),
]


def told_training(told: str) -> "TrainOptions":
    """What the wizard says of the first training as JSON, over what is usual.

    Raises:
        BadParameter: it is no such JSON.
    """
    from influence_core.workflow.train.head import TrainOptions

    try:
        given = {**plain(TrainOptions()), **json.loads(told)}
        return build(TrainOptions, given, "--training")
    except (ValueError, TypeError) as error:
        raise typer.BadParameter("is no JSON of options", param_hint="--training") from error


def check_steps(then: Sequence[str] | None) -> list[str]:
    """The steps that were asked for, each once.

    Raises:
        BadParameter: there is none of this name.
    """
    for name in then or ():
        if name not in TITLES:
            raise typer.BadParameter(f"is one of {', '.join(TITLES)}", param_hint="--then")
    return [name for name in TITLES if name in (then or ())]


def follow(
    project: "Project", run: str, steps: Sequence[str], tell: ProgressFn, cancel: Event
) -> None:
    """Make them, or start their jobs."""
    for name in steps:
        if job_folder() is not None:
            arguments = [name, str(project.root.resolve()), "--run", run]
            expected = _evaluation_seconds(project, run) if name == "evaluate" else None
            start(project.root, arguments, title=TITLES[name], expected=expected)
        elif name == "map":
            from influence_core.workflow.explain.map import make_map

            make_map(project, progress=tell, cancel=cancel)
        else:
            from influence_core.workflow.evaluate.evaluate import evaluate
            from influence_core.workflow.session import open_session

            evaluate(open_session(project, run), progress=tell, cancel=cancel)


def _evaluation_seconds(project: "Project", run: str) -> float | None:
    """What the evaluation should take, so that work which waits for it can say how long."""
    from influence_core.workflow.expected import following_evaluation, shape_of
    from influence_core.workflow.train.head import TrainOptions

    record = project.run(run).record
    if record.kind != "head":  # what stands in for a network is not known before
        return None
    options = {**record.config["options"], "epochs": int(record.metrics["epochs"])}
    return following_evaluation(shape_of(project), TrainOptions(**options)).seconds
