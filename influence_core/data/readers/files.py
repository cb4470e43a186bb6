"""One file that holds a table: which kinds there are, and reading one, packed or not.

`registry` reads them by themselves, `table_folder` several of them. A new kind is one module and
one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from influence_core.data.options import ReadOptions
from influence_core.data.readers import arrow_file, csv_file, excel_file, json_file
from influence_core.data.readers.packed import packing_of, tables_in, unpacked
from influence_core.data.rows import RawTable
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError

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
        DataError: as its reader does, or it cannot be unpacked.
    """
    read, path = _FILES[kind][2], Path(source)
    if not packing_of(path):
        return read(source, options, limit)
    with unpacked(path, SUFFIXES) as inner:
        members = tables_in(path, SUFFIXES)
        if len(members) > 1:
            raise DataError(f"{path.name} holds several tables; read it as --kind tables.")
        return [repacked(raw, path, members[0]) for raw in read(str(inner), options, limit)]


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
