"""The verb that proves an answer: verify. The Errors page starts it as a job."""

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cli.ask.explain import target_of, usual_split
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
    print_table,
    stoppable,
    verb,
)
from influence_core.data.keys import to_hex
from influence_core.disk.records import plain
from influence_core.influence import ESTIMATORS
from influence_core.workflow.explain.explain import Among
from influence_core.workflow.explain.items import Toward
from influence_core.workflow.explain.proof.verify import Question, Side, verify
from influence_core.workflow.session import open_session


@app.command("verify")
@verb
def verify_verb(
    project: ProjectArgument,
    item: Annotated[
        str | None, typer.Option(help="Id or key of the item; the worst error by default.")
    ] = None,
    split: Annotated[
        str, typer.Option(help="Split of the item; by default test, else any other, else train.")
    ] = "",
    text: Annotated[str | None, typer.Option(help="A sentence of your own instead.")] = None,
    image: Annotated[Path | None, typer.Option(help="An image file of your own instead.")] = None,
    estimator: Annotated[
        str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}; by default the project's.")
    ] = "",
    toward: Annotated[
        Toward, typer.Option(help="Which label's loss is asked about.")
    ] = "predicted",
    among: Annotated[Among, typer.Option(help="Which training rows are ranked.")] = "all",
    side: Annotated[Side, typer.Option(help="Whose rows are left out.")] = "helpful",
    count: Annotated[
        int,
        typer.Option(
            min=0, help="Rows to leave out; 0 for as many as should change the prediction."
        ),
    ] = 0,
    smallest: Annotated[
        bool, typer.Option("--smallest", help="Search the fewest rows that change the prediction.")
    ] = False,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Retrain without the rows behind an answer, beside random ones, and say what changed."""
    with bar(json) as tell, stoppable() as cancel:
        session = open_session(find_project(project), run, device)
        target = target_of(session, split or usual_split(session), item, text, image)
        asked = Question(estimator or session.estimator(), toward, among, side, smallest)
        found = verify(session, target, asked, count, progress=tell, cancel=cancel)
    if target.key is not None:  # where a page finds it; what is the user's own has no address
        keep_result(
            verified=to_hex(target.key), split=target.split, of_run=session.run.id,
            of_project=session.project.root.name,
        )  # fmt: skip
    if json:
        print_json(plain(found))
        return
    out.print(escape(found.sentence), soft_wrap=True)
    if found.expected is not None:
        out.print(f"Rows expected to be needed: {found.expected:,}")
    if found.table is not None:
        print_table("Probabilities", found.table)
