"""What a file is by its first bytes, where its name says something else.

A download that became a login page, a workbook that was called .csv, a pointer in place of the
data: their own readers would speak of columns or encodings, which is no help. Only what is surely
another kind is refused here; all else is left to the reader that the name asks for.
"""

import json
import re
import zipfile
from pathlib import Path

from influence_core.errors import DataError

TEXTS = ("csv", "fasttext", "json")  # kinds of files that are text
_HEAD = 4096  # bytes that are looked at
_WEB_PAGE = re.compile(r"(<!--.*?-->\s*)*<(!doctype html|html|head|body)\b", re.I | re.S)
_SAVE = "write its rows as CSV"
_UNPACK = "unpack it and name what was in it"

# First bytes, what they begin, the kind that is read, and what to do.
_SIGNS: tuple[tuple[bytes, str, str, str], ...] = (
    (b"\x1f\x8b", "something packed by gzip", "gz", "call it .gz"),
    (b"PAR1", "a Parquet file", "parquet", "call it .parquet"),
    (b"ARROW1", "an Arrow file", "arrow", "call it .arrow"),
    (b"FEA1", "a Feather file", "arrow", "call it .feather"),
    (b"\xd0\xcf\x11\xe0", "a workbook of Excel before 2007", "", "save it as .xlsx"),
    (b"SQLite format 3\0", "a database of SQLite", "", _SAVE),
    (b"\x89HDF", "an HDF5 file", "", _SAVE),
    (b"\x93NUMPY", "an array of NumPy", "", "name a table of labels, and it by --features"),
    (b"%PDF-", "a PDF", "", _SAVE),
    (b"{\\rtf", "a document of a word processor", "", "save it as plain text"),
    (b"BZh", "something packed by bzip2", "", _UNPACK),
    (b"\xfd7zXZ", "something packed by xz", "", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "something packed by zstd", "", _UNPACK),
    (b"7z\xbc\xaf", "an archive of 7-Zip", "", _UNPACK),
    (b"Rar!", "an archive of RAR", "", _UNPACK),
    (b"\x89PNG", "a picture", "", "name its folder"),
    (b"\xff\xd8\xff", "a picture", "", "name its folder"),
    (b"GIF8", "a picture", "", "name its folder"),
)


_IN_TEXT = (b"%PDF-", b"{\\rtf")  # the others may be letters that names of columns begin with


def refuse_other(path: Path, kind: str) -> None:
    """Refuse a file that is surely of another kind than its name, or the user, says.

    Args:
        path: of a file; what is packed in it is looked at when it is unpacked.
        kind: of the reader that would read it, as in `READERS`; or "zip" or "gz"; "" if none would.

    Raises:
        DataError: it is of another kind; what it is, and what to do.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    found = _binary(path, head, kind) or _text(head, kind)
    if found is not None:
        what, advice = found
        raise DataError(f"{path.name} holds {what}; {advice}.")


def _binary(path: Path, head: bytes, kind: str) -> tuple[str, str] | None:
    """What it is and what to do, by signs that no text begins with."""
    if head.startswith(b"PK\3\4"):
        return None if kind in ("xlsx", "zip") else _archive(path)
    for sign, what, own, advice in _SIGNS:
        if head.startswith(sign) and (sign in _IN_TEXT or not _is_text(head)):
            return None if own and kind == own else (what, advice)
    return None


def _archive(path: Path) -> tuple[str, str]:
    try:
        with zipfile.ZipFile(path) as archive:
            workbook = any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError):
        workbook = False
    return ("an Excel workbook", "call it .xlsx") if workbook else ("a ZIP", "call it .zip")


def _text(head: bytes, kind: str) -> tuple[str, str] | None:
    """What it is and what to do, by how a text begins; UTF-8 alone is looked at."""
    text = head.decode("utf-8-sig", "replace").lstrip() if _is_text(head) else ""
    first, *more = text.split("\n", 1)
    known = (
        # With something behind its last tag it would be a row with a label.
        (
            _WEB_PAGE.match(text) and (not more or first.rstrip().endswith(">")),
            "a web page, perhaps a login or an error",
            "fetch the file again",
        ),
        (
            text.startswith("version https://git-lfs.github.com/spec/"),
            "a pointer of Git LFS and not the data",
            "fetch it with git lfs pull",
        ),
        (text.startswith("<?xml"), "XML", _SAVE),
        (kind == "csv" and _is_json(text, first), "JSON", "call it .json"),
        (kind not in TEXTS and text, "text", "write it as CSV or JSON, and call it so"),
    )
    return next(((what, advice) for true, what, advice in known if true), None)


def _is_text(head: bytes) -> bool:
    """Whether these bytes are UTF-8 without control characters, but for a cut at their end."""
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3 or len(head) < _HEAD:
            return False
        text = head[: error.start].decode("utf-8-sig")
    return not any(c < " " and c not in "\t\n\r\f" for c in text)


def _is_json(text: str, line: str) -> bool:
    """Whether it begins a list of objects, or its first line is an object with names."""
    if re.match(r"\[\s*\{\s*\"", text):
        return True
    try:
        first = json.loads(line)
    except (ValueError, RecursionError):
        return bool(re.match(r"\{\s*\n\s*\"[^\"\n]*\"\s*:", text))
    return isinstance(first, dict) and bool(first)
