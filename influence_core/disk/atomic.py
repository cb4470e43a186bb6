"""Writing so that a reader, or the next start after a crash, sees all of it or nothing.

Every file of a project is written under a temporary name in the same folder, flushed to the disk
and renamed. Errors of the operating system become one plain sentence. The rest of `store` and the
exports write through here.
"""

import errno
import glob
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from influence_core.errors import StoreError

TEMPORARY = ".tmp-"
# A temporary older than this belongs to a process that was killed.
STALE_SECONDS = 24 * 3600

_SENTENCES = {
    errno.ENOSPC: "the disk is full; free some space and try again",
    errno.EDQUOT: "your disk quota is used up; free some space and try again",
    errno.EACCES: "permission is denied; choose another place or change the folder's rights",
    errno.EPERM: "the operation is not permitted; choose another place or change its rights",
    errno.EROFS: "the file system is read-only; choose another place",
    errno.ENOENT: "it does not exist",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a file stands where a folder is needed",
    errno.EFBIG: "the file would be larger than this system allows",
    errno.EISDIR: "it is a folder, not a file",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def plain_errors(doing: str, path: Path) -> Iterator[None]:
    """Turn an `OSError` into a `StoreError` that reads "Cannot <doing> <path>: <why>."."""
    try:
        yield
    except OSError as error:
        why = _SENTENCES.get(error.errno or 0, error.strerror or str(error))
        raise StoreError(f"Cannot {doing} {path}: {why}.") from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path; when the block ends well, it becomes `path` in one step.

    Raises:
        StoreError: disk full, no permission, and the like; `path` is then as it was before.
    """
    temporary = _temporary_beside(path)
    with plain_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            _flush(temporary)
            temporary.replace(path)
            _flush(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; when the block ends well, it becomes `path` in one step.

    Raises:
        StoreError: `path` exists with something in it, disk full, no permission, and the like;
            nothing is left behind then.
    """
    temporary = _temporary_beside(path)
    with plain_errors("write", path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        try:
            yield temporary
            for file in sorted(temporary.rglob("*")):
                _flush(file)
            _flush(temporary)
            _rename_folder(temporary, path)
            _flush(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file's content in one step.

    Raises:
        StoreError: it cannot be written; the old content is then still there.
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Replace the file's content by this text in UTF-8, in one step.

    Raises:
        StoreError: it cannot be written; the old content is then still there.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Replace the file's content by this value as JSON, in one step.

    Raises:
        StoreError: it cannot be written; the old content is then still there.
    """
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, default=plain_value) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        StoreError: the file is missing, truncated or not a JSON object.
    """
    with plain_errors("read", path):
        data = path.read_bytes()
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({error}); restore it from a copy.") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path} is damaged (not a JSON object); restore it from a copy.")
    return value


def remove_stale(folder: Path, name: str = "") -> None:
    """Remove temporaries that a killed process left in this folder more than a day ago.

    Args:
        folder: where to look.
        name: only temporaries of files so called; in a folder that is not ours, always give it.
    """
    limit = time.time() - STALE_SECONDS
    prefix = f"{TEMPORARY}{name[:80]}-" if name else TEMPORARY
    for path in folder.glob(f"{glob.escape(prefix)}*"):
        try:
            if path.lstat().st_mtime < limit:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            # Another process tidies up at the same time, or may not: either way no harm is done.
            continue


def _temporary_beside(path: Path) -> Path:
    return path.parent / f"{TEMPORARY}{path.name[:80]}-{os.getpid()}-{secrets.token_hex(4)}"


def _rename_folder(temporary: Path, path: Path) -> None:
    try:
        temporary.rename(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        raise StoreError(f"{path} exists already; choose another name or remove it.") from error


def _flush(path: Path) -> None:
    """fsync a file or folder; some file systems cannot sync folders, which is their affair."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def plain_value(value: Any) -> Any:
    """`default=` of json.dumps for NumPy and torch values, paths and sets."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
