"""Whose turn it is: at most so many jobs at once in one home of projects, first come, first served.

Every waiting runner holds a *ticket*, a lock file whose name sorts by time; only the oldest living
ticket may take one of the numbered *slots*, which are locks too. Tickets of runners that were
killed are free locks, so they are seen and swept away. Runners of several apps, and of projects
outside the home, all queue here.
"""

import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

from influence_core.disk.atomic import plain_errors
from influence_core.jobs import folder as files

VARIABLE = "TURNOVER_JOBS"
POLL_SECONDS = 0.1


def slots_at_once() -> int:
    """How many jobs may run side by side: TURNOVER_JOBS, or 1."""
    number = os.environ.get(VARIABLE, "")
    return max(int(number), 1) if number.strip().isdigit() else 1


def wait_for_slot(home: Path, stop: Callable[[], bool], since: float) -> BaseFileLock | None:
    """Wait for a turn; the returned lock is the slot, to be released at the end.

    Args:
        home: of projects.
        stop: whether to give up, asked all the time.
        since: when the job was asked for, in seconds since 1970; the earliest goes first.

    Returns:
        None if `stop` was true before it was our turn.

    Raises:
        StoreError: the home of projects cannot be written.
    """
    queue = home / ".jobs"
    with plain_errors("queue in", queue):
        queue.mkdir(parents=True, exist_ok=True)
        name = f"{int(since * 1e6):020d}-{secrets.token_hex(4)}.ticket"
        ticket = FileLock(queue / name)
        with ticket:
            try:
                while not stop():
                    slot = _free_slot(queue) if _is_first(queue, name) else None
                    if slot is not None:
                        return slot
                    time.sleep(POLL_SECONDS)
                return None
            finally:
                (queue / name).unlink(missing_ok=True)


def _is_first(queue: Path, name: str) -> bool:
    for other in sorted(path.name for path in queue.glob("*.ticket")):
        if other >= name:
            return True
        if files.is_held(queue, other):
            return False
        (queue / other).unlink(missing_ok=True)
    return True


def _free_slot(queue: Path) -> BaseFileLock | None:
    for number in range(slots_at_once()):
        slot = FileLock(queue / f"slot-{number}.lock")
        try:
            slot.acquire(timeout=0)
        except Timeout:
            continue
        return slot
    return None
