"""One writer at a time, of files that are read, changed and written again.

A lock file lies beside what is written; the kernel frees the lock when its holder ends.
"""

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from influence_core.disk.atomic import plain_errors, read_json, write_json
from influence_core.errors import StoreError
from influence_core.progress import check_cancel

_POLL_SECONDS = 0.2


@contextmanager
def locked(
    path: Path, *, cancel: threading.Event | None = None, seconds: float | None = None
) -> Iterator[None]:
    """Hold the lock of `path`; the file itself need not exist.

    Args:
        path: what is written; the lock is `.<name>.lock` beside it.
        cancel: set it to stop waiting.
        seconds: how long to wait for others at most; None waits for them to end.

    Raises:
        CancelledError: `cancel` was set.
        StoreError: the time is up, or the folder cannot be written.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    ends = float("inf") if seconds is None else time.monotonic() + seconds
    with plain_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while not lock.is_locked:
            try:
                lock.acquire(timeout=_POLL_SECONDS)
            except NotImplementedError as error:
                raise OSError(errno.ENOTSUP, "this file system knows no locks") from error
            except Timeout as error:
                check_cancel(cancel)
                if time.monotonic() > ends:
                    raise StoreError(
                        f"{path} is being changed by another process; try again when it is done."
                    ) from error
    try:
        yield
    finally:
        lock.release()


def update_json(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write what `change` makes of the JSON object in a file; nobody else changes it meanwhile.

    Args:
        path: a file that is missing or damaged counts as {}.
        change: from the old object to the new one.

    Raises:
        StoreError: it cannot be written.
    """
    with locked(path, seconds=10):
        try:
            found = read_json(path)
        except StoreError:
            found = {}
        write_json(path, change(found))
