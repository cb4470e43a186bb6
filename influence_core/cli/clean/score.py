"""The verb score: where a project stands. Pages start it as a job."""

from dataclasses import asdict

from rich.markup import escape

from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    app,
    bar,
    find_project,
    keep_result,
    out,
    print_json,
    stoppable,
    verb,
)
from influence_core.workflow.cleanse.score import measure
from influence_core.workflow.session import open_session


@app.command("score")
@verb
def score_verb(
    project: ProjectArgument,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Retrain with the decisions so far, and say how far they move the accuracy."""
    with bar(json) as tell, stoppable() as cancel:
        session = open_session(find_project(project), run, device)
        point = measure(session, progress=tell, cancel=cancel)
    keep_result(score=point.decisions)
    if json:
        print_json(asdict(point))
        return
    now = f"{100 * point.accuracy:.1f}\u00a0% of {point.split} right"
    out.print(f"{escape(now)} → {point.words}", highlight=False, soft_wrap=True)
