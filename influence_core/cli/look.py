"""The verbs that list: projects, errors."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from influence_core.cli.ask.explain import usual_split
from influence_core.cli.common import (
    DeviceOption,
    JsonOption,
    ProjectArgument,
    RunOption,
    app,
    bar,
    find_project,
    out,
    print_json,
    print_rows,
    print_table,
    records,
    stoppable,
    verb,
)
from influence_core.data.keys import to_hex
from influence_core.disk.names import projects_home
from influence_core.store.project import Project, list_projects
from influence_core.workflow.explain.groups.behind import rows_behind
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session, open_session


@app.command("projects")
@verb
def projects_verb(json: JsonOption = False) -> None:
    """List the projects of the home, with their newest run and what was found about it."""
    found = [_plain(project) for project in list_projects(projects_home())]
    if json:
        print_json({"home": projects_home(), "projects": found})
        return
    if not found:
        out.print("There are no projects; make one with: turnover new DATA")
        return
    columns = ["project", "name", "rows", "run", "finding"]
    print_rows("Projects", columns, [[_cell(one[c]) for c in columns] for one in found])


def _plain(project: Project) -> dict[str, Any]:
    run = project.latest_run()
    return {
        "project": project.root.name,
        "name": project.name,
        "kind": project.header.modality,
        "classes": list(project.header.classes),
        "rows": dict(project.header.splits),
        "run": run.id if run else None,
        "metrics": run.record.metrics if run else {},
        "finding": run.record.finding if run else "",
    }


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count:,} {name}" for name, count in value.items())
    return str(value or "")


@app.command("errors")
@verb
def errors_verb(
    project: ProjectArgument,
    split: Annotated[
        str, typer.Option(help="Which items; by default test, else any other, else train.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="So many of them, the worst first.")] = 20,
    rows: Annotated[
        bool,
        typer.Option(
            "--rows", help="List the training rows behind most of these errors instead of them."
        ),
    ] = False,
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """List the items that the model gets wrong, the worst first."""
    session = open_session(find_project(project), run, device)
    chosen = split or usual_split(session)
    if rows:
        _rows_behind(session, chosen, top, json)
        return
    wrong = misclassified(session, chosen)
    columns = ["key", "id", "label", "predicted", "confidence", "p_label"]
    shown = wrong[columns].head(top)
    data = session.project.dataset.split(chosen)
    if data.content_column == "text":
        shown = shown.assign(text=data.texts(data.positions_of(shown["key"].to_numpy())))
    if json:
        told = {"run": session.run.id, "split": chosen, "wrong": len(wrong), "of": len(data)}
        print_json({**told, "errors": records(shown)})
        return
    print_table(f"{len(wrong):,} of {len(data):,} items of {chosen} are wrong", shown)
    out.print(f"Next: turnover explain {escape(session.project.root.name)} --item ID")


def _rows_behind(session: Session, split: str, top: int, json: bool) -> None:
    with bar(json) as tell, stoppable() as cancel:
        found = rows_behind(session, split, progress=tell, cancel=cancel)
    bad, shown = suspects(session), found.table.head(top)
    shown = shown.assign(
        worst=[to_hex(key) for key in shown["worst"]],
        looks_mislabelled=[int(key) in bad for key in shown["key"]],
    )
    train = session.project.dataset.train
    if train.content_column == "text":
        shown = shown.assign(text=train.texts(train.positions_of(shown["key"].to_numpy())))
    if json:
        told = {"run": session.run.id, "split": split, "wrong": found.wrong}
        told |= {"looked_at": found.looked_at, "estimator": found.estimator}
        print_json({**told, "rows": records(shown)})
        return
    print_table(
        f"{len(found.table):,} training rows are behind more than one of {found.looked_at:,} "
        f"errors of {split} (of {found.wrong:,}, the worst first)",
        shown,
    )
    name = escape(session.project.root.name)
    out.print(f"Next: turnover explain {name} --split {escape(split)} --item WORST")
