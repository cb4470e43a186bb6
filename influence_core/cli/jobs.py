"""The verb of jobs: list, cancel and resume what runs in a process of its own."""

from typing import Annotated, Any

import typer
from rich.markup import escape

from influence_core.cli.common import (
    JsonOption,
    ProjectArgument,
    app,
    find_project,
    out,
    print_json,
    print_rows,
    verb,
)
from influence_core.disk.names import find_folder, projects_home
from influence_core.errors import DataError
from influence_core.jobs import Job, cancel, find, jobs, log_tail, resume
from influence_core.visible import visible


@app.command("jobs")
@verb
def jobs_verb(
    project: Annotated[
        str | None,
        typer.Argument(help="Project folder or name; without it, jobs that make projects."),
    ] = None,
    cancel_id: Annotated[str | None, typer.Option("--cancel", help="Id of a job to stop.")] = None,
    resume_id: Annotated[
        str | None, typer.Option("--resume", help="Id of an ended job to go on with.")
    ] = None,
    log_id: Annotated[
        str | None, typer.Option("--log", help="Id of a job whose log is printed.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """List the jobs of a project; cancel or resume one."""
    root = projects_home() if project is None else find_folder(project)
    if log_id is not None:
        typer.echo(visible(log_tail(find(root, log_id))), nl=False)
        return
    if cancel_id is not None:
        cancel(find(root, cancel_id))
        out.print(f"Job {escape(cancel_id)} was asked to stop.")
    if resume_id is not None:
        out.print(f"Job {escape(resume(find(root, resume_id)).id)} goes on.")
    if cancel_id is not None or resume_id is not None:
        return
    found = jobs(root)
    if json:
        print_json([_plain(job) for job in found])
        return
    if not found:
        out.print("There are no jobs.")
        return
    print_rows("Jobs", ["id", "what", "state", "where"], map(_line, found))


def _line(job: Job) -> tuple[str, ...]:
    told = job.progress
    where = f"{told.stage} {told.done:,} of {told.total:,}" if told and job.active else job.message
    return job.id, job.title, job.state, where


def _plain(job: Job) -> dict[str, Any]:
    told = job.progress
    return {
        "id": job.id,
        "title": job.title,
        "arguments": list(job.arguments),
        "created": job.created,
        "finished": job.finished,
        "who": job.who,
        "state": job.state,
        "message": job.message,
        "stage": told.stage if told else None,
        "done": told.done if told else None,
        "total": told.total if told else None,
        "rate": job.rate,
        "remaining": job.remaining,
        "result": dict(job.result),
        "log": job.log_path,
    }


@app.command("separate")
@verb
def separate_verb(project: ProjectArgument, json: JsonOption = False) -> None:
    """Give a copied project folder decisions of its own, those so far included."""
    from influence_core.store.reviews.store import separate

    found = find_project(project)
    copied = separate(found)
    if json:
        print_json({"project": found.root, "decisions": copied})
    else:
        out.print(
            f"{escape(found.root.name)} is a project of its own: {copied:,} decisions copied."
        )


@app.command("trust")
@verb
def trust_verb(project: ProjectArgument, json: JsonOption = False) -> None:
    """Let a project's settings name the database of its decisions; look at the address before."""
    from influence_core.store.reviews.schema import shown_url
    from influence_core.store.reviews.trust import trust

    found = find_project(project)
    named = found.settings.database
    if not named:
        raise DataError(f"The settings of {found.root.name} name no database; nothing to trust.")
    trust(named)
    shown = shown_url(named)
    if json:
        print_json({"project": found.root, "database": shown})
    else:
        out.print(f"{escape(found.root.name)} keeps its decisions in {escape(shown)}.")
