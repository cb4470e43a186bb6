"""The verb that asks about many items at once: causes."""

from threading import Event
from typing import Annotated, Any

import pandas as pd
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
    keep_result,
    out,
    print_json,
    print_table,
    stoppable,
    verb,
)
from influence_core.disk.records import plain
from influence_core.errors import DataError
from influence_core.influence import ESTIMATORS
from influence_core.progress import ProgressFn
from influence_core.workflow.explain.groups.causes import Causes, causes_of, listed, plain_causes
from influence_core.workflow.explain.groups.group import Group, group_positions
from influence_core.workflow.explain.proof.verify_cause import (
    SUGGESTED,
    VerifiedCause,
    question_of,
    verify_cause,
)
from influence_core.workflow.session import Session, open_session


@app.command("causes")
@verb
def causes_verb(
    project: ProjectArgument,
    split: Annotated[
        str, typer.Option(help="Whose items; by default test, else any other, else train.")
    ] = "",
    true: Annotated[
        list[str] | None, typer.Option(help="Items of this true class; may be given again.")
    ] = None,
    predicted: Annotated[
        list[str] | None, typer.Option(help="Items predicted as this class; may be given again.")
    ] = None,
    part: Annotated[
        str,
        typer.Option(help="Items of a slice: column=value, ~words of a text, slice:name."),
    ] = "",
    items: Annotated[
        str, typer.Option(help="Just these items instead: ids or keys, with commas between.")
    ] = "",
    right: Annotated[
        bool, typer.Option("--right", help="Right predictions belong to the group, too.")
    ] = False,
    estimator: Annotated[
        str, typer.Option(help=f"One of {', '.join(ESTIMATORS)}; by default the project's.")
    ] = "",
    top: Annotated[int, typer.Option(min=1, help="Rows shown of each cause.")] = 5,
    verify: Annotated[
        int, typer.Option(min=0, help="Retrain without the rows of the cause of this number.")
    ] = 0,
    fix: Annotated[
        str,
        typer.Option(
            help="With --verify: relabel its rows to this class instead, or, with "
            f"'{SUGGESTED}', those that look mislabelled as suggested."
        ),
    ] = "",
    run: RunOption = None,
    device: DeviceOption = "auto",
    json: JsonOption = False,
) -> None:
    """Say which kinds of training rows are behind a group of errors, all of them by default."""
    if fix and not verify:
        raise DataError("--fix says how a cause is verified; name its number with --verify.")
    with bar(json) as tell, stoppable() as cancel:
        session = open_session(find_project(project), run, device)
        named = tuple(name.strip() for name in items.split(",") if name.strip())
        group = Group(
            split or usual_split(session), tuple(true or ()), tuple(predicted or ()),
            part, named, right,
        )  # fmt: skip
        meant = group_positions(session, group)
        found = causes_of(
            session, group.split, meant, estimator=estimator, progress=tell, cancel=cancel
        )
        proved = _verified(session, found, verify, fix, tell, cancel) if verify else None
    if json:
        told: dict[str, Any] = {"run": session.run.id, "split": group.split}
        told |= plain_causes(session, found, top)
        print_json(told | ({} if proved is None else {"verified": plain(proved)}))
        return
    if proved is not None:
        out.print(escape(proved.sentence()), soft_wrap=True)
        return
    _show(session, group.split, found, top)


def _verified(
    session: Session, found: Causes, number: int, fix: str, tell: ProgressFn, cancel: Event
) -> VerifiedCause:
    if number > len(found.found):
        raise DataError(f"There are {len(found.found)} causes; there is no cause {number}.")
    train, split = session.project.dataset.train, found.push.split
    items = session.project.dataset.split(split).keys[found.push.items]
    rows = train.keys[found.found[number - 1].positions]
    asked = question_of(split, items.tolist(), rows.tolist(), fix)
    made = verify_cause(session, asked, progress=tell, cancel=cancel)
    keep_result(sentence=made.sentence())
    return made


def _show(session: Session, split: str, found: Causes, top: int) -> None:
    items = len(found.push.items)
    out.print(f"{items:,} item{'s' * (items != 1)} of {escape(split)}, by {found.push.estimator}")
    if not found.found:
        out.print(
            f"No kind of training rows stands out: {found.pushed:,} rows pushed, each a little.",
            soft_wrap=True,
        )
        return
    for number, cause in enumerate(found.found, 1):
        out.print(
            escape(f"\n{number}. {cause.sentence(found.named(found.toward))}"), soft_wrap=True
        )
        labels = ", ".join(f"{count:,} {name or 'without a label'}" for name, count in cause.labels)
        out.print(escape(f"   Labelled {labels}."), soft_wrap=True)
        if cause.words:
            out.print(escape(f"   Words: {', '.join(cause.words)}"), soft_wrap=True)
        rows = listed(session, found, cause.positions[:top])
        print_table("", pd.DataFrame(rows).drop(columns="key"))
    others, share = found.rest
    if others:
        out.print(f"{others:,} other rows pushed the remaining {100 * share:.0f} %.")
