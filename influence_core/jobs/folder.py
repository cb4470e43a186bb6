"""The files of one job, and who may write which.

    job.json       what was asked: title, arguments, who, when           written once by `start`
    attempt.json   number of the attempt, and queued or running          start, resume, then runner
    runner.lock    held by the runner as long as it lives
    verb.lock      held by the verb as long as it lives
    cancel         there if somebody wants it to stop                    cancel
    progress.json  the last event of the verb, rate included             verb
    curves.jsonl   every event that carried figures                      verb
    result.json    {"result": …} or {"error": "one sentence"}            verb
    earlier.json   the result that an attempt left before it was ended    resume
    ending.json    state, message and time of the end                    runner, at the very end
    log.txt        all that the verb printed

Reading never fails on a damaged file of the kind that a reader can do without: a job with half a
progress file is a job without progress.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from influence_core.disk.atomic import read_json, write_json
from influence_core.errors import StoreError

JOBS = "jobs"
ENVIRONMENT = "TURNOVER_JOB"  # names the job folder to the verb
RUNNER = "TURNOVER_RUNNER"  # the process id of its runner
LOG = "log.txt"
RUNNER_LOCK, VERB_LOCK = "runner.lock", "verb.lock"
CANCEL = "cancel"
EARLIER = "earlier.json"
# A reader that looks at a lock holds it for a moment; so another one looks twice.
_LOOK_AGAIN_SECONDS = 0.003


def read(folder: Path, name: str) -> dict[str, Any]:
    """A JSON object of the job; {} if it is missing or damaged."""
    path = folder / name
    if not path.is_file():
        return {}
    try:
        return read_json(path)
    except StoreError:
        return {}


def write(folder: Path, name: str, value: Mapping[str, Any], *, flush: bool = False) -> None:
    """Put a JSON object of the job in place in one step, by default without waiting for the disk.

    A job that was removed with its project does not come back.

    Raises:
        StoreError: it cannot be written.
    """
    if folder.is_dir():
        write_json(folder / name, value, flush=flush)


def lock(folder: Path, name: str) -> FileLock:
    """A lock that the kernel frees when its holder dies."""
    return FileLock(folder / name)


def is_held(folder: Path, name: str) -> bool:
    """Whether a living process holds this lock; False if it cannot even be looked at."""
    if not (folder / name).is_file():
        return False
    for pause in (_LOOK_AGAIN_SECONDS, 0.0):
        try:
            with lock(folder, name).acquire(timeout=0):
                return False
        except Timeout:
            time.sleep(pause)
        except OSError:
            return False
    return True


def is_alive(folder: Path) -> bool:
    """Whether the runner or, should it have been killed alone, the verb still lives."""
    return is_held(folder, RUNNER_LOCK) or is_held(folder, VERB_LOCK)


def wants_cancel(folder: Path) -> bool:
    """Whether somebody asked the job to stop."""
    return (folder / CANCEL).exists()


def opened(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """A file of the job itself, never what a link in its place leads to, and without waiting.

    Raises:
        OSError: it is not there, or a link.
    """
    number = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    return os.fdopen(number, "rb" if flags == os.O_RDONLY else "ab")


def log_text(folder: Path, limit: int) -> str:
    """The end of what the verb printed; at most so many bytes, from a line's start on."""
    try:
        with opened(folder / LOG) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - limit, 0))
            data = file.read()
    except OSError:
        return ""
    if size > limit:
        data = data.partition(b"\n")[2]
    return data.decode("utf-8", errors="replace")


def curve_lines(folder: Path) -> list[dict[str, Any]]:
    """Every kept event with figures, oldest first; a half-written last line is left out."""
    try:
        with opened(folder / "curves.jsonl") as file:
            lines = file.read().decode("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
