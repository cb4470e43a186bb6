"""Start, look at, cancel and resume jobs; pages and the verb `jobs` call this.

Everything is read from the job's folder each time, so any process may have started a job.
"""

import getpass
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from filelock import Timeout

from influence_core.disk.atomic import atomic_folder, plain_errors, write_json
from influence_core.disk.demo import refuse_in_demo
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.names import check_name, id_at, moment_after, projects_home
from influence_core.disk.records import build, plain
from influence_core.errors import StoreError
from influence_core.jobs import folder as files
from influence_core.jobs import slots
from influence_core.jobs.job import Job, State
from influence_core.jobs.seal import holds, seal
from influence_core.progress import Progress

ENDED = ("done", "failed", "cancelled")
# A runner that has not taken its lock after this long has never come up.
STARTUP_SECONDS = 30.0
_INTERRUPTED = "It was ended from outside (killed, or the machine stopped); it can be resumed."


@dataclass(frozen=True)
class _Card:
    """What `job.json` says: what was asked for, by whom and when."""

    title: str
    arguments: tuple[str, ...]
    created: str
    who: str
    seal: str = ""
    expected: float | None = None


def start(
    root: Path,
    arguments: Sequence[str],
    *,
    title: str,
    who: str = "",
    expected: float | None = None,
) -> Job:
    """Start a verb of the command line in a process of its own; returns at once.

    Args:
        root: folder of the project, which is also the working directory of the verb; the home of
            projects for a verb that makes one.
        arguments: as after `turnover`, with absolute paths.
        title: what it does, for people.
        who: user who starts it; the one of this process by default.
        expected: seconds that it should take; short work does not wait behind long work.

    Raises:
        StoreError: the folder cannot be written, no process can be started, or this is a demo.
    """
    refuse_in_demo("nothing is computed here that takes long")
    root = root.resolve()
    moment = moment_after(job.created for job in jobs(root))
    name = id_at(moment)
    with atomic_folder(root / files.JOBS / name) as made:
        now = moment.isoformat(timespec="microseconds")
        sealed = seal(name, arguments)
        card = _Card(title, tuple(arguments), now, who or _user(), sealed, expected)
        write_json(made / "job.json", stamped("job", plain(card)))
    _launch(root / files.JOBS / name, 1)
    return find(root, name)


def jobs(root: Path) -> list[Job]:
    """All jobs of this project, newest first; folders that are no jobs are passed over."""
    parent = root / files.JOBS
    names = [path.name for path in parent.iterdir()] if parent.is_dir() else []
    looked = (_look(root, name) for name in names if name[:1].isdigit())
    found = [job for job in looked if job is not None]
    return sorted(found, key=lambda job: (job.created, job.id), reverse=True)


def find(root: Path, job_id: str) -> Job:
    """One job as it stands now.

    Raises:
        StoreError: there is none of this id, or it is damaged.
    """
    job = _look(root, check_name(job_id, "job"))
    if job is None:
        raise StoreError(f"There is no job '{job_id}' in {root / files.JOBS}, or it is damaged.")
    return job


def ahead(job: Job) -> list[Job]:
    """The jobs that a queued one waits for, the running ones first; none for any other."""
    if job.state != "queued":
        return []
    short = slots.is_short(job.arguments, job.expected)
    folders = slots.ahead(projects_home(), job.folder, short=short)
    found = (_look(folder.parent.parent, folder.name) for folder in folders)
    return [other for other in found if other is not None and other.active]


def cancel(job: Job) -> None:
    """Ask a job to stop; it keeps what it has finished. Nothing happens to one that has ended.

    Raises:
        StoreError: the request cannot be written.
    """
    if find(job.root, job.id).active:
        with plain_errors("cancel the job in", job.folder):
            (job.folder / files.CANCEL).touch()


def resume(job: Job) -> Job:
    """Start an ended job again with the same arguments; the verb finds its finished parts.

    A job that is queued or running is left alone, so two clicks do no harm.

    Raises:
        StoreError: it is done, was started elsewhere, its folder cannot be written, or this is a
            demo.
    """
    refuse_in_demo("nothing is computed here that takes long")
    try:
        with plain_errors("resume", job.folder), files.lock(job.folder, "resume.lock").acquire(10):
            now = find(job.root, job.id)
            if now.active:
                return now
            if not now.ours:
                raise StoreError(
                    f"Job '{job.id}' was not started from this home of projects, so it is not "
                    "started again from here; look at what it does, and start it yourself."
                )
            if not now.resumable:
                raise StoreError(f"Job '{job.id}' is done; start a new one to do it again.")
            earlier = files.read(job.folder, "result.json").get("result")
            if isinstance(earlier, dict):
                files.write(job.folder, files.EARLIER, earlier)
            for name in (files.CANCEL, "ending.json", "result.json", "progress.json"):
                (job.folder / name).unlink(missing_ok=True)
            _launch(job.folder, int(files.read(job.folder, "attempt.json").get("number", 1)) + 1)
    except Timeout as error:
        raise StoreError(f"Job '{job.id}' is being resumed by somebody else.") from error
    return find(job.root, job.id)


def log_tail(job: Job, limit: int = 64_000) -> str:
    """The last so many bytes of what the verb printed."""
    return files.log_text(job.folder, limit)


def curves(job: Job) -> list[dict[str, Any]]:
    """Every event that carried figures, oldest first: `stage`, `done`, and the figures by name."""
    return files.curve_lines(job.folder)


def _launch(folder: Path, number: int) -> None:
    """Start the runner, detached: it outlives this process and its terminal."""
    files.write(folder, "attempt.json", {"number": number, "state": "queued", "time": time.time()})
    environment = {k: v for k, v in os.environ.items() if k != files.ENVIRONMENT}
    environment["TURNOVER_HOME"] = str(projects_home().resolve())
    with (
        plain_errors("start a process for", folder),
        files.opened(folder / files.LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as log,
    ):
        runner = subprocess.Popen(
            # -P: a file of the project's folder must never be imported as a module.
            [sys.executable, "-P", "-m", "influence_core.jobs.runner", str(folder), str(number)],
            cwd=folder.parent.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    # Somebody has to take note of its end, or it stays in the process table as long as the app.
    threading.Thread(target=runner.wait, name=f"job-{folder.name}", daemon=True).start()


def _look(root: Path, name: str) -> Job | None:
    folder = root / files.JOBS / name
    try:
        card = build(_Card, upgraded("job", files.read(folder, "job.json"), folder), folder)
    except StoreError:
        return None
    state, ending = _state(folder)
    event = files.read(folder, "progress.json") if state not in ENDED else {}
    progress = _progress(event)
    rate = event.get("rate") if progress else None
    rate = float(rate) if isinstance(rate, int | float) and rate > 0 else None
    left = None
    if progress and rate and state == "running":
        left = max((progress.total - progress.done) / rate, 0.0)
    left_by_verb = files.read(folder, "result.json").get("result")
    begun = files.read(folder, "attempt.json").get("time") if state == "running" else None
    return Job(
        id=name,
        root=root,
        title=card.title,
        arguments=card.arguments,
        created=card.created,
        who=card.who,
        ours=holds(card.seal, name, card.arguments),
        state=state,
        progress=progress,
        rate=rate,
        remaining=left,
        message=str(ending.get("message", "")),
        result=left_by_verb if isinstance(left_by_verb, dict) else {},
        finished=str(ending.get("time", "")),
        expected=card.expected,
        running=max(0.0, time.time() - begun) if isinstance(begun, int | float) else 0.0,
    )


def _state(folder: Path) -> tuple[State, Mapping[str, Any]]:
    """An ending counts; without one a living process does; else it was interrupted."""
    ending = files.read(folder, "ending.json")
    if ending.get("state") in get_args(State):
        return ending["state"], ending
    attempt = files.read(folder, "attempt.json")
    if files.is_alive(folder):
        return ("running" if attempt.get("state") == "running" else "queued"), {}
    # The runner writes the ending before it lets go of the lock, so look again.
    ending = files.read(folder, "ending.json")
    if ending.get("state") in get_args(State):
        return ending["state"], ending
    since = attempt.get("time")
    young = isinstance(since, int | float) and 0 <= time.time() - since < STARTUP_SECONDS
    if attempt.get("state") == "queued" and young:
        return "queued", {}
    return "interrupted", {"message": _INTERRUPTED}


def _progress(event: Mapping[str, Any]) -> Progress | None:
    try:
        metrics = {str(k): float(v) for k, v in dict(event.get("metrics", {})).items()}
        done, total = int(event["done"]), int(event["total"])
        return Progress(str(event["stage"]), done, total, str(event.get("message", "")), metrics)
    except (KeyError, TypeError, ValueError):
        return None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a name for its user
        return "unknown"
