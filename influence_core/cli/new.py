"""The verb `new`: every option is named like the field of `ReadOptions` that it fills."""

import json as json_text
import shutil
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from influence_core.cli.common import (
    JsonOption,
    announce,
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
from influence_core.cli.train.publish import OutOfSampleOption, ProbaOption, show_run
from influence_core.cli.train.then import ThenOption, check_steps, follow, told_training
from influence_core.data.options import NO_COLUMN, ReadOptions
from influence_core.data.readers.registry import PREVIEW_ROWS, READERS
from influence_core.data.source import QUOTINGS
from influence_core.disk.names import projects_home
from influence_core.errors import DataError
from influence_core.jobs.report import job_folder, kept_earlier
from influence_core.progress import OneBar
from influence_core.store.project import Project
from influence_core.workflow.projects.account import account_of
from influence_core.workflow.projects.create import NewProject, create, first_rows
from influence_core.workflow.projects.findings import COMPARED, findings_of
from influence_core.workflow.projects.named import read_places
from influence_core.workflow.projects.preview import FirstLook

if TYPE_CHECKING:
    from influence_core.store.runs import Run

# Where each stage ends in the one bar of making a project and training it.
STAGES = {"read": 0.1, "check": 0.12, "copy": 0.15, "encode": 0.55, "train": 0.97, "sides": 1.0}
MOST_NAMES = 1_000_000  # bytes of a file of class names


@app.command("new")
@verb
def new_verb(
    context: typer.Context,
    data: Annotated[
        str,
        typer.Argument(
            help="CSV, JSON, Excel, Parquet or Arrow file, folder or ZIP of these or of images, "
            "or folder of texts."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Name of the project.")] = None,
    label_column: Annotated[str | None, typer.Option("--label", help="Label column.")] = None,
    content_column: Annotated[
        str | None,
        typer.Option("--content", help="Sentence or image column; several texts as a,b."),
    ] = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column of unique ids.")] = None,
    no_id: Annotated[
        bool, typer.Option("--no-id", help="No column is the id; the content tells rows apart.")
    ] = False,
    split_column: Annotated[
        str | None, typer.Option("--split", help="Column that says train, valid or test.")
    ] = None,
    no_split: Annotated[
        bool, typer.Option("--no-split", help="No column names the splits; all rows are train.")
    ] = False,
    splits: Annotated[
        str | None,
        typer.Option(
            help="Our names of splits that the source calls otherwise: train=all,test=validation."
        ),
    ] = None,
    group_column: Annotated[
        str | None,
        typer.Option("--group", help="Rows that share its value stay on one side of a cut."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="File of class names, one a line, also for labels 0, 1, 2, …"),
    ] = None,
    join: Annotated[
        list[str] | None,
        typer.Option(
            help="Labels that become one class: alike (names that may be one), first (of several "
            "labels a row), or CLASS=LABEL."
        ),
    ] = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="A label whose rows are left out; missing: all that read like none."),
    ] = None,
    valid: Annotated[
        str | None, typer.Option(help="Source of the split that the model is improved on.")
    ] = None,
    test: Annotated[str | None, typer.Option(help="Source of the test split.")] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            help="minilm, hf:NAME or st:NAME; of pictures torchvision:NAME, image:NAME, timm:NAME, "
            "or small, which needs no network."
        ),
    ] = None,
    drop_bad: Annotated[bool, typer.Option("--drop-bad", help="Leave bad rows out.")] = False,
    kind: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(READERS)}; by its looks by default.")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="Of a text file, such as utf-8, cp1251, gbk.")
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help="Between fields of a CSV; \\t is a tab.")
    ] = None,
    quoting: Annotated[
        str | None, typer.Option(help=f"Of fields of a CSV: {', '.join(QUOTINGS)}.")
    ] = None,
    header: Annotated[
        bool | None, typer.Option(help="Whether the first line of a CSV names its columns.")
    ] = None,
    sheet: Annotated[str | None, typer.Option(help="Of a workbook with several.")] = None,
    image_root: Annotated[
        str | None, typer.Option(help="Folder that paths of images are relative to.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="Which of several configurations of a hub data set.")
    ] = None,
    revision: Annotated[
        str | None, typer.Option(help="Branch, tag or commit of a hub data set.")
    ] = None,
    valid_share: Annotated[
        float | None,
        typer.Option(help="Share cut off train where there is no valid split; 0.15 by default."),
    ] = None,
    test_share: Annotated[float | None, typer.Option(help="The same for the test split.")] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Features of your own, one row of numbers a row: .npy, .npz, .safetensors or "
            ".parquet, or a column of lists; no encoder runs."
        ),
    ] = None,
    valid_features: Annotated[
        str | None, typer.Option(help="The same for the valid split of another file.")
    ] = None,
    test_features: Annotated[
        str | None, typer.Option(help="The same for the test split of another file.")
    ] = None,
    proba: ProbaOption = None,
    out_of_sample: OutOfSampleOption = False,
    train: Annotated[
        bool, typer.Option("--train", help="Train at once, as turnover train does.")
    ] = False,
    then: ThenOption = None,
    training: Annotated[
        str, typer.Option(hidden=True, help="Options of the training as JSON, from the wizard.")
    ] = "{}",
    options: Annotated[
        str, typer.Option(hidden=True, help="All of these as JSON, as the wizard gives them.")
    ] = "{}",
    preview: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=PREVIEW_ROWS,
            help="Show so many first rows and make nothing; of the hub only these are fetched.",
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make a project from data of your own."""
    if preview is not None:
        _show(
            first_rows(data, read_options(context.params), projects_home(), preview, announce), json
        )
        return
    request = NewProject(data, valid, test, name, encoder, read_options(context.params))
    places = None if proba is None else read_places(proba)
    if train and places is not None:
        raise typer.BadParameter(
            "contradicts --proba, which needs no training", param_hint="--train"
        )
    steps = check_steps(then)
    if steps and not train:
        raise typer.BadParameter("follows a training; add --train", param_hint="--then")
    how = told_training(training) if train else None
    with bar(json) as heard, stoppable() as cancel:
        tell = OneBar(heard, STAGES) if (train or places) and job_folder() else heard
        # A job that was ended in its training goes on with the project that it had made.
        made = kept_earlier().get("project") if train else None
        findings = []
        if made:
            project = find_project(str(made))
        else:
            project = create(
                request, projects_home(), progress=tell, cancel=cancel, announce=announce
            )
            findings = findings_of(project.dataset, project.settings.encoder)
        run = None
        if places is not None:
            heard_by: dict[str, Any] = {"progress": tell, "cancel": cancel}
            run = _published(project, places, known_out_of_sample=out_of_sample, **heard_by)
        keep_result(project=project.root.name, **({} if run is None else {"run": run.id}))
        if how is not None:
            from influence_core.workflow.train.head import train as train_head

            run = train_head(project, how, progress=tell, cancel=cancel)
            keep_result(project=project.root.name, run=run.id)
            follow(project, run.id, steps, heard, cancel)
    account = account_of(project.header.source, project.header.splits)
    if json:
        print_json(
            {
                "project": project.root,
                "classes": project.dataset.classes,
                "rows": account.kept,
                "account": asdict(account),
                "findings": [
                    {"severity": f.severity, "what": f.what, "advice": f.advice} for f in findings
                ],
                "compared": COMPARED[project.dataset.modality],
            }
        )
        return
    out.print(f"[bold]{escape(project.name)}[/bold] in {escape(str(project.root))}")
    for sentence in account.sentences():
        out.print(escape(sentence), highlight=False, soft_wrap=True)
    for finding in findings:
        out.print(f"{finding.severity}: {escape(finding.what)} {escape(finding.advice)}")
    out.print(COMPARED[project.dataset.modality])
    if run is not None:
        show_run(run)
        out.print(f"Next: turnover explain {escape(project.root.name)}")
        return
    out.print(f"Next: turnover train {escape(project.root.name)}")


def _published(project: Project, places: dict[str, str], **how: Any) -> "Run":
    """The run of the user's model; without it, there is no project either."""
    from influence_core.workflow.train.own.probabilities import publish_probabilities

    try:
        return publish_probabilities(project, places, **how)
    except BaseException:
        shutil.rmtree(project.root, ignore_errors=True)
        raise


def _show(look: FirstLook, json: bool) -> None:
    """First rows, and which column would be what."""
    roles = {} if look.roles is None else asdict(look.roles)
    chosen = {name: roles.get(name) for name in ("content", "label", "id", "split")}
    if json:
        rows = look.head.to_dict("records")
        print_json({"kind": look.kind, "rows": rows, "chosen": chosen, "problem": look.problem})
        return
    print_table(look.title, look.head)
    said = "; ".join(f"{name} {value or 'none'}" for name, value in chosen.items())
    out.print(escape(look.problem or f"Chosen: {said}."), soft_wrap=True)
    out.print("Nothing was made; without --preview it is.")


def read_options(given: dict[str, Any]) -> ReadOptions:
    """The options of the command line, over those that the wizard gave."""
    try:
        told = json_text.loads(given["options"])
    except ValueError as error:
        raise typer.BadParameter("is no JSON", param_hint="--options") from error
    named = {f.name: given[f.name] for f in fields(ReadOptions) if given.get(f.name) is not None}
    # An option that may stand several times is empty where nobody gave it.
    named = {
        n: tuple(v) if isinstance(v, list) else v for n, v in named.items() if v not in ((), [])
    }
    if named.get("delimiter") == "\\t":
        named["delimiter"] = "\t"
    if "splits" in named:
        named["splits"] = tuple(named["splits"].split(","))
    if "classes" in named:
        named["classes"] = _class_names(named["classes"])
    for column in ("id", "split"):
        if given[f"no_{column}"]:
            if f"{column}_column" in named:
                hint = f"--no-{column}"
                raise typer.BadParameter(f"contradicts --{column}", param_hint=hint)
            named[f"{column}_column"] = NO_COLUMN
    if given["drop_bad"]:
        named["bad_rows"] = "drop"
    return replace(ReadOptions.of(told), **named)


def _class_names(path: Path) -> tuple[str, ...]:
    """The lines of a file, blank ones left out.

    Raises:
        DataError: it cannot be read, or holds fewer than two names.
    """
    try:
        if path.stat().st_size > MOST_NAMES:
            raise DataError(f"{path} is too large for a list of class names; one stands on a line.")
        names = path.read_text("utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise DataError(f"The class names in {path} cannot be read ({why}).") from error
    found = tuple(name.strip() for name in names if name.strip())
    if len(found) < 2:
        raise DataError(
            f"{path} names {len(found)} classes; it needs one name a line, two at least."
        )
    return found
