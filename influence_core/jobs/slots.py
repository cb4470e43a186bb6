"""Whose turn it is: two lanes in one home of projects, in each first come, first served.

Short work has a lane of its own with one slot, so that it never waits behind long work; of long
jobs at most TURNOVER_JOBS run at once. Every waiting runner holds a *ticket*, a lock file whose
name sorts by time; only the oldest living ticket may take one of the numbered *slots*, which are
locks too. Tickets of runners that were killed are free locks, so they are seen and swept away.
Beside each lock stands whose it is, so that a waiting job can say for what. Runners of several
apps, and of projects outside the home, all queue here.
"""

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from influence_core.disk.atomic import plain_errors
from influence_core.jobs import folder as files

VARIABLE = "TURNOVER_JOBS"
POLL_SECONDS = 0.1
SHORT_SECONDS = 120.0
# Verbs that are short where nobody has an estimate.
SHORT_VERBS = frozenset({"new", "explain", "verify", "predict", "export", "report", "score"})
SHORT_LANE = "short"


def is_short(arguments: Sequence[str], expected: float | None) -> bool:
    """Whether a job takes the lane of short work: by its expected seconds, else by its verb."""
    if expected is not None:
        return expected <= SHORT_SECONDS
    return bool(arguments) and arguments[0] in SHORT_VERBS


def slots_at_once() -> int:
    """How many long jobs may run side by side: TURNOVER_JOBS, or 1."""
    number = os.environ.get(VARIABLE, "")
    return max(int(number), 1) if number.strip().isdigit() else 1


@contextmanager
def turn(
    home: Path, stop: Callable[[], bool], since: float, *, job: Path, short: bool = False
) -> Iterator[bool]:
    """Wait for a turn and hold it; False if `stop` was true before it was ours.

    Args:
        home: of projects.
        stop: whether to give up, asked all the time.
        since: when the job was asked for, in seconds since 1970; the earliest goes first.
        job: its folder, told to those who wait behind it.
        short: whether it takes the lane of short work.

    Raises:
        StoreError: the home of projects cannot be written.
    """
    queue = _lane(home, short)
    with plain_errors("queue in", queue):
        queue.mkdir(parents=True, exist_ok=True)
        slot = _waited(queue, stop, since, job, 1 if short else slots_at_once())
    if slot is None:
        yield False
        return
    with slot:
        yield True


def ahead(home: Path, job: Path, *, short: bool) -> list[Path]:
    """Folders of the jobs that a waiting one waits for: those that run, then those before it."""
    queue = _lane(home, short)
    running = [p for p in sorted(queue.glob("slot-*.lock")) if files.is_held(queue, p.name)]
    found = [_whose(path) for path in running]
    for path in sorted(queue.glob("*.ticket")):
        whose = _whose(path)
        if whose is not None and whose.resolve() == job.resolve():
            break
        if files.is_held(queue, path.name):
            found.append(whose)
    return [folder for folder in found if folder is not None]


def _lane(home: Path, short: bool) -> Path:
    queue = home / ".jobs"
    return queue / SHORT_LANE if short else queue


def _waited(
    queue: Path, stop: Callable[[], bool], since: float, job: Path, slots: int
) -> BaseFileLock | None:
    name = f"{int(since * 1e6):020d}-{secrets.token_hex(4)}.ticket"
    with FileLock(queue / name):
        try:
            _tell(queue / name, job)
            while not stop():
                slot = _free_slot(queue, slots) if _is_first(queue, name) else None
                if slot is not None:
                    _tell(Path(slot.lock_file), job)
                    return slot
                time.sleep(POLL_SECONDS)
            return None
        finally:
            _sweep(queue / name)


def _is_first(queue: Path, name: str) -> bool:
    for other in sorted(path.name for path in queue.glob("*.ticket")):
        if other >= name:
            return True
        if files.is_held(queue, other):
            return False
        _sweep(queue / other)
    return True


def _free_slot(queue: Path, slots: int) -> BaseFileLock | None:
    for number in range(slots):
        slot = FileLock(queue / f"slot-{number}.lock")
        try:
            slot.acquire(timeout=0)
        except Timeout:
            continue
        return slot
    return None


def _tell(lock: Path, job: Path) -> None:
    """Whose a lock is, beside it: opening a lock empties it."""
    files.write(lock.parent, f"{lock.name}.json", {"job": str(job)})


def _whose(lock: Path) -> Path | None:
    job = files.read(lock.parent, f"{lock.name}.json").get("job")
    return Path(job) if isinstance(job, str) else None


def _sweep(ticket: Path) -> None:
    ticket.unlink(missing_ok=True)
    ticket.with_name(f"{ticket.name}.json").unlink(missing_ok=True)
