"""The verbs export and report: the cleansed training set as a file, and one page about it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from influence_core.cli.common import (
    JsonOption,
    ProjectArgument,
    SplitOption,
    app,
    bar,
    find_project,
    keep_result,
    out,
    print_json,
    stoppable,
    verb,
)
from influence_core.errors import DataError
from influence_core.progress import Progress, check_cancel
from influence_core.store.exports.edits import FORMATS, ExportOptions
from influence_core.store.exports.revert import revert
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import newest_cleansing
from influence_core.workflow.cleanse.export import edits_to_export, export_project
from influence_core.workflow.cleanse.report import cleansing_report
from influence_core.workflow.cleanse.report_page import write_report

CleansingOption = Annotated[
    str | None, typer.Option(help="Id of a cleansing; the newest by default.")
]
RoundOption = Annotated[
    int | None, typer.Option("--round", help="Round to step back to; the best by default.")
]


@app.command("export")
@verb
def export_verb(
    project: Annotated[
        str | None, typer.Argument(help="Project folder or name; not needed with --revert.")
    ] = None,
    target: Annotated[Path | None, typer.Option("--out", help="File or folder to make.")] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Its name among the exports of the project, instead of --out."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format", help=f"One of {', '.join(FORMATS)}; that of the source by default."
        ),
    ] = None,
    split: SplitOption = "train",
    cleansing: CleansingOption = None,
    number: RoundOption = None,
    decisions: Annotated[
        bool, typer.Option("--decisions", help="Only what reviewers decided, no cleansing.")
    ] = False,
    from_project: Annotated[
        bool, typer.Option("--from-project", help="Write the project's own copy of the rows.")
    ] = False,
    revert_manifest: Annotated[
        Path | None, typer.Option("--revert", help="Manifest of an export to take back.")
    ] = None,
    spreadsheet_safe: Annotated[
        bool, typer.Option(help="Guard against formulas; this changes text.")
    ] = False,
    keep_original: Annotated[
        bool, typer.Option(help="Keep what Parquet and Hugging Face need to be reverted.")
    ] = True,
    copy_images: Annotated[
        bool, typer.Option(help="Copy pictures into a tree of class folders.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier export.")] = False,
    json: JsonOption = False,
) -> None:
    """Write the cleansed training set, or another split as it was decided, in its own format."""
    if name is not None and project is not None and target is None:
        target = _among_exports(find_project(project), name)
    if target is None:
        raise typer.BadParameter("give the file or folder to make", param_hint="--out")
    if revert_manifest is not None:
        manifest = revert(revert_manifest, target, overwrite=overwrite)
        told: dict[str, Any] = {"reverted": target, "from": revert_manifest}
        what = "the source again"
    else:
        if project is None:
            raise typer.BadParameter("name a project", param_hint="PROJECT")
        opened = find_project(project)
        found = edits_to_export(opened, cleansing, number, decisions=decisions, split=split)
        options = ExportOptions(
            spreadsheet_safe=spreadsheet_safe,
            keep_original=keep_original,
            copy_images=copy_images,
            overwrite=overwrite,
            from_project=from_project,
            split=split,
        )
        with bar(json) as tell, stoppable() as cancel:

            def told_or_stopped(event: Progress) -> None:
                check_cancel(cancel)  # what is half written is thrown away
                tell(event)

            manifest = export_project(
                opened, found.edits, target, form, options, found.run, progress=told_or_stopped
            )
        keep_result(export=str(target))
        told = {"out": target, **manifest.counts}
        what = "{rows:,} rows; {remove:,} left out, {relabel:,} relabelled".format(
            **manifest.counts
        )
        if not json:
            out.print(escape(found.said))
    if json:
        print_json({**told, "sha256": manifest.sha256})
    else:
        out.print(f"{escape(str(target))}: {what}", soft_wrap=True)
        for note in manifest.notes:
            out.print(escape(note))


def _among_exports(project: Project, name: str) -> Path:
    """Where an export of this name lies; it cannot lead out of the project's exports."""
    if set(name) & set("/\\") or name.startswith("."):
        raise DataError(f"'{name}' is not the name of a file; write it without folders.")
    return project.exports_folder / name


@app.command("report")
@verb
def report_verb(
    project: ProjectArgument,
    target: Annotated[Path, typer.Option("--out", help="HTML file to make.")],
    cleansing: CleansingOption = None,
    number: RoundOption = None,
) -> None:
    """Write one self-contained HTML page about a cleansing, to send to a colleague."""
    opened = find_project(project)
    report = cleansing_report(opened, cleansing or newest_cleansing(opened), number)
    write_report(report, target)
    out.print(f"{escape(str(target))} written")
