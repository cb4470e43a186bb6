"""Where a data set came from, exactly enough to write it back byte for byte.

Readers fill this in, the project keeps it as JSON, exports read it: the file and its hash (a
changed source is refused), how it was decoded and cut into fields, and which column was what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from influence_core.disk.fingerprint import of_file, of_files
from influence_core.errors import DataError

Quoting = Literal["double", "single", "none", "backslash", "single-backslash", "none-backslash"]
# The mark that quotes fields of a CSV, and whether a backslash makes the mark after it plain.
QUOTINGS: dict[Quoting, tuple[str, bool]] = {
    "double": ('"', False),
    "single": ("'", False),
    "none": ("", False),
    "backslash": ('"', True),
    "single-backslash": ("'", True),
    "none-backslash": ("", True),
}


@dataclass(frozen=True)
class SourceFile:
    """One file or folder that rows came from.

    Attributes:
        kind: name of the reader that read it ("csv", "parquet", "folder", "hf", ...), or "zip" for
            a Parquet file with the pictures of one.
        path: file, or folder of several `parts`.
        sha256: of the file's bytes; of the parts' names and hashes for a folder; "" for a folder
            of pictures, whose rows carry hashes of their own.
        packing: "gz" or "zip" if the file is packed; all but its hash is about what is in it.
        packed: name of that in it.
        sheet: of a workbook.
        parts: file names below `path`, in reading order, if it is a folder.
        rows: records in the file, whatever was left out of the data set.
        encoding: Python codec without a byte-order mark ("utf-8", "utf-16-le", "cp1252", ...).
        bom: whether the file starts with a byte-order mark.
        delimiter: between fields of a CSV.
        quoting: of fields of a CSV, a name of `QUOTINGS`.
        skip_blanks: whether blanks before a field are no part of it.
        header: whether the first record names the columns; `above` counts the lines before it,
            of a sheet, too.
    """

    kind: str
    path: str
    sha256: str
    rows: int = 0
    parts: tuple[str, ...] = ()
    encoding: str | None = None
    bom: bool = False
    delimiter: str | None = None
    quoting: Quoting | None = None
    skip_blanks: bool = False
    header: bool = True
    above: int = 0
    packing: str = ""
    packed: str = ""
    sheet: str = ""


@dataclass(frozen=True)
class LeftOut:
    """Records that did not become rows, for one reason.

    Attributes:
        why: goes on after a place: "has no label in column 'mood'".
        count: how many.
        places: the first few, as in "line 17 of reviews.csv".
        split: that the source puts them in; "" if it names none, None for that of their table.
    """

    why: str
    count: int
    places: tuple[str, ...] = ()
    split: str | None = None


@dataclass(frozen=True)
class SourceInfo:
    """Origin of a data set.

    Attributes:
        files: by split; splits cut from one file name the same one. Row i of a split stands at
            record `row` (a column of the table) of that file. None if a program built the data.
        label_column, content_column, id_column, split_column: names in the source, None if absent.
        columns: all columns of the source, in order.
        options: the reader's options that made this data set, for the record.
        numbered: whether labels are numbers there, of the class names that the user gave.
        joined: what became of labels of the source that were joined or left out (None).
        read: records that were found: those of the splits, those that are kept for prediction and
            those that were left out.
        left_out: these.
        unlabelled: those that are kept for prediction, by split.
        told: what the reader found out by itself, in sentences.
    """

    files: Mapping[str, SourceFile] = field(default_factory=dict)
    label_column: str | None = None
    content_column: str | None = None
    id_column: str | None = None
    split_column: str | None = None
    columns: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    numbered: bool = False
    joined: Mapping[str, str | None] = field(default_factory=dict)
    read: int = 0
    left_out: tuple[LeftOut, ...] = ()
    told: tuple[str, ...] = ()
    unlabelled: Mapping[str, int] = field(default_factory=dict)


def refuse_changed(file: SourceFile) -> None:
    """Make sure that a source is still what was imported, before an export copies from it.

    Raises:
        DataError: it is gone or has changed.
    """
    path = Path(file.path)
    try:
        whole = "" if file.parts or not file.sha256 else of_file(path)
        digest = of_files(path, file.parts) if file.parts else whole
    except OSError as error:
        raise DataError(
            f"The source {path} cannot be read any more ({error.strerror}); put it back, or import "
            "the data again."
        ) from error
    if digest != file.sha256:
        raise DataError(
            f"The source {path} has changed since it was imported; restore it, or import it again."
        )
