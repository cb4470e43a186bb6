"""Reads text as fastText does: `__label__x` anywhere in a line, and all else of the line is a text.

Several labels of a line become one, "x|y", which is told like all such labels. A blank line is no
row. `csv_file` asks whether a file is written so, and the export walks it by the same `lines_of`.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from influence_core.data.options import ReadOptions
from influence_core.data.readers.text.encodings import detect_encoding
from influence_core.data.readers.text.header import names_columns
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError

LABEL = re.compile(r"(?<!\S)__label__(\S+)")
BETWEEN = "|"  # of several labels
_LOOKED_AT = 1_000


def looks_like_fasttext(path: Path, encoding: str, bom: bool) -> bool:
    """Whether most lines have such a label, and the first is none of names of columns."""
    lines = [line for line in islice(lines_of(path, encoding, bom), _LOOKED_AT) if line.strip()]
    if not lines or (not LABEL.search(lines[0]) and names_columns(re.split("[,;|\t]", lines[0]))):
        return False
    return 2 * sum(LABEL.search(line) is not None for line in lines) > len(lines)


def read_fasttext(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one file.

    Args:
        source: path.
        options: `encoding` is used.
        limit: most rows wanted, None for all.

    Raises:
        DataError: it cannot be read, or has no rows.
    """
    path = Path(source)
    encoding, bom = detect_encoding(path, options.encoding)
    texts: list[str] = []
    labels: list[str | None] = []
    places: list[int] = []
    for number, line in enumerate(lines_of(path, encoding, bom), 1):
        if not line.strip():
            continue
        if len(texts) == limit:
            break
        texts.append(" ".join(part.strip() for part in LABEL.sub("\n", line).split("\n")).strip())
        labels.append(label_of_line(line))
        places.append(number)
    if not texts:
        raise DataError(f"{path.name} is empty; it needs lines of labels and texts.")
    digest = of_file(path) if limit is None else ""
    several = sum(BETWEEN in (label or "") for label in labels)
    told = [
        f"{path.name} is read as {encoding}, in the way of fastText (__label__x before a text)."
    ]
    told += [
        f"{several:,} lines of {path.name} have several labels, which are read as one class each; "
        "keep the first of each row (--join first), or make one project a label."
    ] * bool(several)
    return [
        RawTable(
            split=None,
            table=pa.table({"text": pa.array(texts), "label": pa.array(labels, pa.string())}),
            file=SourceFile(
                "fasttext", str(path.resolve()), digest, len(texts), encoding=encoding, bom=bom
            ),
            place=lambda i: f"line {places[i]} of {path.name}",
            rows=np.arange(len(texts), dtype=np.int64),
            told=tuple(told),
        )
    ]


def label_of_line(line: str) -> str | None:
    """Its label, or all of them in one; None without any."""
    return BETWEEN.join(LABEL.findall(line)) or None


def with_label(line: str, label: str) -> str:
    """The line with this label, or these, in place of its first; the others go.

    The line must have one.
    """
    new = " ".join(f"__label__{part}" for part in label.split(BETWEEN))
    first = LABEL.search(line)
    assert first is not None
    rest = re.sub(r"(?<!\S)__label__\S+[^\S\r\n]*", "", line[first.end() :])
    return line[: first.start()] + new + rest


def lines_of(path: Path, encoding: str, bom: bool) -> Iterator[str]:
    """Its lines with their ends, without a byte-order mark.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open(encoding=encoding, newline="") as file:
            if bom:
                file.read(1)
            yield from file
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error
