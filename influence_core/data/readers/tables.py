"""Files that hold a table, packed or not, and folders or ZIPs of them: `READERS` of these kinds.

A folder has one or several files for each split, by their names: `train.csv` and `test.parquet`,
`train-00000-of-00002.parquet`, `train/part.jsonl`; or pictures with a `metadata.csv` that names
them. Tables that are not called like a split are passed over if others are, and all of them are
training rows if none is. A new kind of file is one module and one line here.
"""

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from influence_core.data.budget import short_list
from influence_core.data.columns import detect_columns
from influence_core.data.images import is_image_name
from influence_core.data.options import ReadOptions
from influence_core.data.readers import arrow_file, excel_file, json_file
from influence_core.data.readers.first_bytes import refuse_other
from influence_core.data.readers.packed import packing_of, tables_in, unpacked
from influence_core.data.readers.text import csv_file, fasttext
from influence_core.data.readers.text_folder import looks_like_texts, texts_below
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.data.splitting import known_split
from influence_core.disk.fingerprint import of_file, of_files
from influence_core.errors import DataError, one_line

MOST_LOOKED_AT = 2_000
METADATA = "metadata"
_SHARD = re.compile(r"[-_]\d+([-_]of[-_]\d+)?.*$")

Read = Callable[[str, ReadOptions, int | None], list[RawTable]]


@dataclass(frozen=True)
class Reader:
    """One kind of source.

    Attributes:
        title: for menus.
        matches: whether a path looks like this kind.
        read: (path or name, options, most rows wanted or None) to tables of different splits.
    """

    title: str
    matches: Callable[[str], bool]
    read: Read


_FILES: dict[str, tuple[str, tuple[str, ...], Read]] = {
    "csv": ("CSV or tab-separated text", csv_file.SUFFIXES, csv_file.read_csv),
    "fasttext": ("Text with labels as of fastText", (), fasttext.read_fasttext),
    "json": ("JSON lines or records", json_file.SUFFIXES, json_file.read_json),
    "xlsx": ("Excel workbook", excel_file.SUFFIXES, excel_file.read_excel),
    "parquet": ("Parquet file", arrow_file.SUFFIXES, arrow_file.read_parquet),
    "arrow": ("Arrow or Feather file", arrow_file.ARROW_SUFFIXES, arrow_file.read_arrow),
}
SUFFIXES = tuple(suffix for _, known, _ in _FILES.values() for suffix in known)


def _is_of_kind(kind: str, source: str) -> bool:
    return Path(source).is_file() and file_kind(Path(source)) == kind


def file_kind(path: Path) -> str | None:
    """The kind of a file by its name, or of the only table that is packed in it; None if of none.

    Raises:
        DataError: it is a ZIP that cannot be read.
    """
    name = path.name
    if packing_of(path) and path.is_file():
        tables = tables_in(path, SUFFIXES)
        name = tables[0] if len(tables) == 1 else ""
    suffix = PurePosixPath(name).suffix.lower()
    return next((kind for kind, (_, known, _) in _FILES.items() if suffix in known), None)


def read_file(kind: str, source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read one file of this kind, unpacked before if need be.

    Raises:
        DataError: as its reader does, or it cannot be unpacked, or is of another kind.
    """
    path = Path(source)
    if not packing_of(path):
        return _read_plain(kind, source, options, limit)
    with unpacked(path, SUFFIXES) as inner:
        members = tables_in(path, SUFFIXES)
        if len(members) > 1:
            raise DataError(f"{path.name} holds several tables and is no single file; unpack it.")
        return [
            repacked(raw, path, members[0]) for raw in _read_plain(kind, str(inner), options, limit)
        ]


def _read_plain(kind: str, source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    with suppress(OSError):  # which the reader says as it does all others
        refuse_other(Path(source), kind)
    return _FILES[kind][2](source, options, limit)


def repacked(raw: RawTable, path: Path, member: str) -> RawTable:
    """Rows of an unpacked file as those of the packed one."""
    place = raw.place
    file = replace(
        raw.file,
        path=str(path.resolve()),
        sha256=of_file(path) if raw.file.sha256 else "",
        packing=packing_of(path),
        packed=member,
    )
    return replace(
        raw, file=file, place=lambda i: f"{place(i)} in {path.name}", image_root=path.parent
    )


FILES: dict[str, Reader] = {
    kind: Reader(title, partial(_is_of_kind, kind), partial(read_file, kind))
    for kind, (title, _, read) in _FILES.items()
}


def looks_like_tables(source: str) -> bool:
    """Whether it is a folder, or a ZIP, of tables; pictures need a table called metadata."""
    path = Path(source)
    if packing_of(path) == "zip" and path.is_file():
        return len(tables_in(path, SUFFIXES)) > 1
    return path.is_dir() and bool(_by_split(path))


def read_tables(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read all tables.

    Args:
        source: the folder or ZIP.
        options: as the reader of each file takes them.
        limit: most rows wanted of each file, None for all.

    Raises:
        DataError: one cannot be read, or they do not fit together.
    """
    path = Path(source)
    options = replace(options, kind=None)
    if not packing_of(path):
        return _read_folder(path, path.name, options, limit)
    with unpacked(path, SUFFIXES) as inner:
        if not _by_split(inner) and looks_like_texts(str(inner)):
            found = texts_below(inner, path.name, options, limit)
            return [_packed_texts(raw, path, limit) for raw in found]
        raws = _read_folder(inner, path.name, options, limit)
        if any(raw.file.parts for raw in raws):
            raise DataError(
                f"{path.name} holds several tables for one split; unpack it and name the folder."
            )
        return [
            repacked(raw, path, Path(raw.file.path).relative_to(inner.resolve()).as_posix())
            for raw in raws
        ]


def _packed_texts(raw: RawTable, path: Path, limit: int | None) -> RawTable:
    """Rows of unpacked texts as those of the ZIP."""
    digest = of_file(path) if limit is None else ""
    file = replace(raw.file, path=str(path.resolve()), sha256=digest, packing="zip")
    return replace(raw, file=file)


def _read_folder(root: Path, name: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    splits = _by_split(root)
    if not splits:
        raise DataError(
            f"{name} holds no tables ({', '.join(SUFFIXES)}), and no texts in class folders."
        )
    raws = []
    for split, parts in sorted(splits.items(), key=lambda pair: pair[0] != "train"):
        found = [_read_part(root, part, options, limit) for part in parts]
        raw = found[0] if len(found) == 1 else _joined(root, parts, found, limit)
        raws += [replace(raw, split=split)] if split is not None else _by_folder(raw)
    over = sorted(set(_tables(root)[0]) - {part for parts in splits.values() for part in parts})
    if over:
        sentence = f"Passed over in {name}, since they name no split: {short_list(over)}."
        raws[0] = replace(raws[0], told=(*raws[0].told, sentence))
    return raws


def _read_part(root: Path, part: str, options: ReadOptions, limit: int | None) -> RawTable:
    kind = file_kind(root / part)
    found = read_file(str(kind), str(root / part), options, limit)
    if len(found) > 1:
        raise DataError(f"{part} in {root.name} holds several splits already; name it alone.")
    return found[0]


def _joined(
    root: Path, parts: Sequence[str], raws: Sequence[RawTable], limit: int | None
) -> RawTable:
    """Several files of one split as one table; records are counted through."""
    kinds = sorted({raw.file.kind for raw in raws})
    if len(kinds) > 1:
        raise DataError(
            f"{root.name} has files of different kinds for one split ({short_list(parts)}); keep "
            "one of them there."
        )
    try:
        table = pa.concat_tables([raw.table for raw in raws], promote_options="default")
    except pa.ArrowException as error:
        raise DataError(
            f"The files {short_list(parts)} in {root.name} do not fit together ({one_line(error)})."
        ) from error
    starts = np.cumsum([0, *(raw.table.num_rows for raw in raws)])
    records = np.cumsum([0, *(raw.file.rows for raw in raws)])

    def place(i: int) -> str:
        part = int(np.searchsorted(starts, i, "right")) - 1
        return raws[part].place(i - int(starts[part]))

    digest = of_files(root, parts) if limit is None else ""
    return RawTable(
        split=None,
        table=table,
        file=SourceFile(kinds[0], str(root.resolve()), digest, int(records[-1]), tuple(parts)),
        place=place,
        rows=np.concatenate([raw.rows + records[i] for i, raw in enumerate(raws)]),
        classes=raws[0].classes,
        image_root=root,
        left_out=tuple(out for raw in raws for out in raw.left_out),
        told=tuple(sentence for raw in raws for sentence in raw.told),
    )


def _by_folder(raw: RawTable) -> list[RawTable]:
    """One table of pictures in folders that are called like splits, by these."""
    names = [n for n in ("file_name", "image_path", "path") if n in raw.table.column_names]
    if not names or not pa.types.is_string(raw.table.schema.field(names[0]).type):
        return [raw]
    firsts = [(path or "").partition("/")[0] for path in raw.table.column(names[0]).to_pylist()]
    splits = np.array([known_split(first) or "" for first in firsts])
    if not splits.all() or "split" in raw.table.column_names:
        return [raw]
    return [_only(raw, split, np.flatnonzero(splits == split)) for split in dict.fromkeys(splits)]


def _only(raw: RawTable, split: str, rows: "np.ndarray") -> RawTable:
    return replace(
        raw,
        split=str(split),
        table=raw.table.take(pa.array(rows)),
        rows=raw.rows[rows],
        place=lambda i: raw.place(int(rows[i])),
    )


def _tables(root: Path) -> tuple[list[str], bool]:
    """Paths of the files below a folder that may be tables, and whether there are pictures."""
    found: list[str] = []
    pictures = False
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        for name in sorted(names):
            pictures |= is_image_name(name)
            if name[0] not in "._" and _may_be_table(Path(place) / name):
                found.append((Path(place) / name).relative_to(root).as_posix())
        if len(found) > MOST_LOOKED_AT:
            return [], pictures
    return found, pictures


def _by_split(root: Path) -> dict[str | None, list[str]]:
    """The tables below a folder by split, None for those that name none."""
    found, pictures = _tables(root)
    if pictures:
        found = [part for part in found if _names_pictures(root, part)]
    splits: dict[str | None, list[str]] = {}
    for part in found:
        splits.setdefault(_split_of(part), []).append(part)
    named: dict[str | None, list[str]] = {k: v for k, v in splits.items() if k is not None}
    if named:
        return named
    return {None: found} if found else {}


def _may_be_table(path: Path) -> bool:
    """Whether it is one by its name; a text that names no split is rather a note, or a document."""
    if path.suffix.lower() == ".txt":
        return known_split(_SHARD.sub("", path.stem)) is not None
    return packing_of(path) != "zip" and file_kind(path) is not None


def _names_pictures(root: Path, part: str) -> bool:
    """Whether a table beside pictures is about them, and has their labels."""
    if Path(part).name.split(".")[0] != METADATA:
        return False
    try:
        table = _read_part(root, part, ReadOptions(), 50).table
        return detect_columns(table, ReadOptions(), part).kind == "image_path"
    except DataError:
        return False


def _split_of(part: str) -> str | None:
    """Split of a file: "train-00000-of-00002.parquet", "valid.csv.gz", "test/0000.parquet"."""
    path = Path(part)
    words = (_SHARD.sub("", path.name.split(".")[0]), *reversed(path.parts[:-1]))
    return next((split for word in words if (split := known_split(word))), None)
