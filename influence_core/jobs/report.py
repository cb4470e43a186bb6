"""The verb's side of a job: tell where it is, hear that it should stop, leave a result.

`cli.common` uses this in every verb; outside a job (TURNOVER_JOB is not set) nothing is written.
"""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import Timeout

from influence_core.errors import StoreError
from influence_core.jobs import folder as files
from influence_core.progress import Progress, ProgressFn

WRITE_SECONDS = 0.25  # between two writes of the progress file
RATE_SECONDS = 10.0  # the rate is that of about the last so many seconds
WATCH_SECONDS = 0.3


def job_folder() -> Path | None:
    """The folder of the job that this process does, or None."""
    name = os.environ.get(files.ENVIRONMENT)
    return Path(name) if name else None


def keep_result(**values: Any) -> None:
    """Leave what the verb made, such as `run=id`, for `Job.result`; nothing outside a job."""
    folder = job_folder()
    if folder is not None:
        with suppress(StoreError):
            files.write(folder, "result.json", {"result": values})


def kept_earlier() -> Mapping[str, Any]:
    """What an earlier attempt of this job has kept; nothing outside a job or at its first."""
    folder = job_folder()
    return {} if folder is None else files.read(folder, files.EARLIER)


def keep_error(message: str) -> None:
    """Leave why the verb was refused, for `Job.message`; nothing outside a job."""
    folder = job_folder()
    if folder is not None:
        with suppress(StoreError):
            left = files.read(folder, "result.json")
            files.write(folder, "result.json", {**left, "error": message})


@contextmanager
def at_work() -> Iterator[None]:
    """Hold the verb's lock, so that the job counts as running as long as this process lives.

    Raises:
        StoreError: another process does this very job.
    """
    folder = job_folder()
    if folder is None:
        yield
        return
    own = files.lock(folder, files.VERB_LOCK)
    try:
        own.acquire(timeout=5)
    except (Timeout, OSError) as error:
        raise StoreError(f"The job in {folder} is done by another process already.") from error
    with own:
        yield


class ProgressFile:
    """A `ProgressFn` that keeps the last event in `progress.json`, at most a few times a second.

    Events with figures also go to `curves.jsonl`, all of them. A full disk does not stop the work
    here; it will where the work itself writes.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._stage = ""
        self._written = float("-inf")
        self._marks: list[tuple[float, int]] = []  # (second, done) of the present stage

    def __call__(self, event: Progress) -> None:
        """Take one event; the first and the last of a stage are always written."""
        now = self._clock()
        new = event.stage != self._stage or (self._marks and event.done < self._marks[-1][1])
        if new:
            self._stage, self._marks = event.stage, []
        self._marks.append((now, event.done))
        while len(self._marks) > 2 and now - self._marks[1][0] > RATE_SECONDS:
            self._marks.pop(0)
        with suppress(StoreError):
            if event.metrics:
                self._append(event)
            if new or event.done >= event.total or now - self._written >= WRITE_SECONDS:
                self._written = now
                files.write(self._folder, "progress.json", self._plain(event))

    def _plain(self, event: Progress) -> Mapping[str, Any]:
        (first, before), (last, done) = self._marks[0], self._marks[-1]
        rate = (done - before) / (last - first) if last > first else None
        return {
            "stage": event.stage,
            "done": int(event.done),
            "total": int(event.total),
            "message": event.message,
            "metrics": _figures(event),
            "rate": rate,
        }

    def _append(self, event: Progress) -> None:
        line = {**_figures(event), "stage": event.stage, "done": int(event.done)}
        with suppress(OSError), (self._folder / "curves.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@contextmanager
def watching_runner(cancel: threading.Event) -> Iterator[None]:
    """Set `cancel` when the runner is dead: nobody would write the ending or pass on a cancel."""
    ended = threading.Event()
    # Named by the runner itself, which may have died while this process was starting.
    named = os.environ.get(files.RUNNER, "")
    runner = int(named) if named.isdigit() else os.getppid()

    def watch() -> None:
        while not ended.wait(WATCH_SECONDS):
            if os.getppid() != runner:
                cancel.set()
                return

    thread = threading.Thread(target=watch, name="job-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def job_progress() -> ProgressFn | None:
    """Where this process's progress goes if it does a job."""
    folder = job_folder()
    return None if folder is None else ProgressFile(folder)


def _figures(event: Progress) -> dict[str, float]:
    return {name: float(value) for name, value in event.metrics.items()}
