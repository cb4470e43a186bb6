"""Folders for what is not finished yet, and the end of those whose owner was killed.

A writer first makes a folder `.tmp-<name>-<process>-<random>` beside it and holds a
lock on that folder. The kernel frees the lock when the owner ends, however it ends. So a folder
whose lock is free belongs to nobody and may be removed; one whose lock is held is left alone,
however old it is. Called by `disk.atomic`, which makes everything that is written.
"""

import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform != "win32":
    import fcntl

TEMPORARY = ".tmp-"
# Only folders so named are locked by their owner. Others are of earlier versions of this program.
_LOCKED = re.compile(r"\.tmp-.*-\d+-[0-9a-f]{12}")
# Where nothing can be locked, a temporary of this age belongs to a process that was killed.
STALE_SECONDS = 24 * 3600


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`, on the same disk; what is left of it goes at the end.

    Raises:
        OSError: it cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    held = None
    while held is None:
        name = f"{TEMPORARY}{path.name[:80]}-{os.getpid()}-{secrets.token_hex(6)}"
        folder = path.parent / name
        folder.mkdir()
        held = _hold(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove temporaries in this folder whose owner is dead.

    Args:
        folder: where to look.
        name: only temporaries of a file so called; in a folder that is not ours, always give it.
    """
    prefix = f"{TEMPORARY}{name[:80]}-" if name else TEMPORARY
    with suppress(OSError):
        for path in [path for path in folder.iterdir() if path.name.startswith(prefix)]:
            # Another process tidies up at the same time, or may not: either way no harm is done.
            with suppress(OSError):
                _remove_if_abandoned(path)


def _hold(folder: Path) -> int | None:
    """Lock the folder until the descriptor is closed; None if a tidier was faster."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return None
    _lock(descriptor, wait=True)
    if not folder.exists():
        os.close(descriptor)
        return None
    return descriptor


def _remove_if_abandoned(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        if _is_old(path):
            path.unlink()
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        free = _lock(descriptor, wait=False) if _LOCKED.fullmatch(path.name) else None
        if _is_old(path, *path.iterdir()) if free is None else free:
            shutil.rmtree(path)
    finally:
        os.close(descriptor)


def _is_old(*paths: Path) -> bool:
    return time.time() - max(path.lstat().st_mtime for path in paths) > STALE_SECONDS


def _lock(descriptor: int, *, wait: bool) -> bool | None:
    """Whether the lock is ours now; None where this file system knows no such locks."""
    if sys.platform == "win32":
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
