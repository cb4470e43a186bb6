"""The verb `slices`: parts of the data on which the model does worse."""

from typing import Annotated

import typer
from rich.markup import escape

from influence_core.cli.ask.explain import usual_split
from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    announce,
    app,
    bar,
    find_project,
    out,
    print_json,
    stoppable,
    verb,
)
from influence_core.errors import DataError
from influence_core.store.slices import delete_slice, save_slice
from influence_core.workflow.session import Session, open_session
from influence_core.workflow.slices.find import Slices, find_slices, plain_slices
from influence_core.workflow.slices.saved import KeptSlice, kept_slices, slice_to_save


@app.command("slices")
@verb
def slices_verb(
    project: ProjectArgument,
    split: Annotated[
        str,
        typer.Option(help="Whose items are listed; by default test, else any other, else train."),
    ] = "",
    top: Annotated[
        int, typer.Option(min=0, help="With --json: items of each slice at most.")
    ] = 1_000,
    save: Annotated[
        int, typer.Option(min=0, help="Keep the slice of this number with the project.")
    ] = 0,
    saved: Annotated[
        bool, typer.Option("--saved", help="Search nothing: how the run does on saved slices.")
    ] = False,
    delete: Annotated[str, typer.Option(help="Forget the saved slice of this name.")] = "",
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Find parts of the data on which the model does worse than their classes explain."""
    opened = find_project(project)
    if delete:
        gone = delete_slice(opened.root, delete)
        out.print(escape(f"Deleted: {gone.name}, {len(gone.keys):,} rows."), soft_wrap=True)
        return
    if saved:
        _show_saved(kept_slices(open_session(opened, run, device), split), json)
        return
    with bar(json) as tell, stoppable() as cancel:
        session = open_session(opened, run, device)
        found = find_slices(session, split or usual_split(session), progress=tell, cancel=cancel)
    if save:
        _save(session, found, save)
    if json:
        print_json({"run": session.run.id, **plain_slices(session, found, top)})
        return
    out.print(escape(found.sentence()), soft_wrap=True)
    for number, one in enumerate(found.found, 1):
        out.print(escape(f"\n{number}. {one.name}: {one.sentence()}"), soft_wrap=True)
        out.print(escape(f"   {one.behind()}"), soft_wrap=True)


def _save(session: Session, found: Slices, number: int) -> None:
    if number > len(found.found):
        raise DataError(f"There are {len(found.found)} slices; there is no slice {number}.")
    made = slice_to_save(session, found.split, found.found[number - 1])
    kept = save_slice(session.project.root, made)
    announce(f"Saved: {kept.name}, {len(kept.keys):,} rows of {kept.split}.")


def _show_saved(kept: list[KeptSlice], json: bool) -> None:
    if json:
        print_json({"saved": [one.plain() for one in kept]})
        return
    for one in kept:
        out.print(escape(one.sentence()), soft_wrap=True)
    if not kept:
        out.print("No slice is saved.")
