"""Writing so that a reader, or the next start after a crash, sees all of it or nothing.

Everything that this program writes for good is written in a temporary folder on the same disk
(`disk.temporary`), flushed to the disk and renamed. Errors of the operating system become one plain
sentence. All other rooms write through here.
"""

import errno
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from influence_core.disk.temporary import temporary_folder
from influence_core.errors import StoreError

MOST_RECORD_BYTES = 512 << 20  # edits of a million rows take a quarter of it
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
    except Exception as error:
        number = _errno(error)
        if number is None:
            raise
        why = _SENTENCES.get(number) or getattr(error, "strerror", None) or str(error)
        raise StoreError(f"Cannot {doing} {path}: {why}.") from error


def _errno(error: Exception) -> int | None:
    """The operating system's number of an error, 0 if it has none; None if it is no such error."""
    if isinstance(error, OSError):
        return error.errno or 0
    # safetensors has an exception of its own, which names the number in its text.
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found and type(error).__name__ == "SafetensorError" else None


@contextmanager
def atomic_file(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield the path of a file to write; when the block ends well, it becomes `path` in one step.

    Args:
        path: a file that is there is replaced.
        flush: wait for the disk; leave it out only for what changes all the time.

    Raises:
        StoreError: disk full, no permission, and the like; `path` is then as it was before.
    """
    with plain_errors("write", path), temporary_folder(path) as folder:
        temporary = folder / path.name
        yield temporary
        if flush:
            _flush(temporary)
        temporary.replace(path)
        if flush:
            _flush(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; when the block ends well, it becomes `path` in one step.

    Raises:
        StoreError: `path` exists with something in it, disk full, no permission, and the like;
            nothing is left behind then.
    """
    with plain_errors("write", path), temporary_folder(path) as folder:
        yield folder
        for file in sorted(folder.rglob("*")):
            _flush(file)
        _flush(folder)
        _rename_folder(folder, path)
        _flush(path.parent)


def write_bytes(path: Path, data: bytes, *, flush: bool = True) -> None:
    """Replace the file's content in one step.

    Raises:
        StoreError: it cannot be written; the old content is then still there.
    """
    with atomic_file(path, flush=flush) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Replace the file's content by this text in UTF-8, in one step.

    Raises:
        StoreError: it cannot be written; the old content is then still there.
    """
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any, *, flush: bool = True) -> None:
    """Replace the file's content by this value as JSON, in one step; `flush` as in `atomic_file`.

    Raises:
        StoreError: it cannot be written; the old content is then still there.
    """
    text = json.dumps(value, indent=1, ensure_ascii=False, default=plain_value) + "\n"
    write_bytes(path, text.encode("utf-8"), flush=flush)


def read_bytes(path: Path) -> bytes:
    """The content of a file of settings or records; nothing of those is near so large.

    Raises:
        StoreError: it is missing, cannot be read, or is larger than any that was written here.
    """
    with plain_errors("read", path):
        if path.stat().st_size > MOST_RECORD_BYTES:
            raise StoreError(
                f"{path} is damaged (larger than {MOST_RECORD_BYTES >> 20} MB); restore it from a "
                "copy."
            )
        return path.read_bytes()


# Halves of letters as JSON escapes them; whole letters may be written by two of them.
_HALVES = re.compile(rb"\\u[dD][89a-fA-F]")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        StoreError: the file is missing, truncated or not a JSON object.
    """
    data = read_bytes(path)
    try:
        value = json.loads(data)
        if _HALVES.search(data):  # half a letter, which no file can be called and no page can show
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({error}); restore it from a copy.") from error
    if not isinstance(value, dict):
        raise StoreError(f"{path} is damaged (not a JSON object); restore it from a copy.")
    return value


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
