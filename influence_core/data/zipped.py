"""A ZIP of pictures in class folders, as one Parquet file with the pictures in it.

Nothing is ever unpacked to a path that the archive names: entries are read into memory one by one,
checked, and written as rows, so a name can lead nowhere and a link points at nothing. What is
promised by the archive's directory is not believed; bytes are counted as they come out.
Called by `workflow.uploads`; the reader of Parquet takes it from there.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.columns import known_split
from influence_core.data.images import image_problem, is_image_name
from influence_core.errors import DataError

SUFFIX = ".zip"
MOST_ENTRIES = 200_000
MOST_PICTURE_BYTES = 50 << 20
MOST_BYTES = 2 << 30  # of all pictures together
_BATCH_BYTES = 32 << 20
_SCHEMA = {"id": pa.string(), "image": pa.binary(), "label": pa.string()}

Row = tuple[str, str | None, str, bytes]  # path, split, class, picture


def pack_pictures(archive: Path, out: Path) -> int:
    """Write the archive's pictures to a Parquet file; returns how many there are.

    Args:
        archive: a ZIP with `<class>/<picture>` or `<split>/<class>/<picture>`, perhaps below one
            folder that holds everything.
        out: file to write, with the columns `id` (path in the archive), `image`, `label`, and
            `split` where the folders name splits. Removed again if anything is refused.

    Raises:
        DataError: it is no ZIP, holds something that is not as above, or too much of it.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _entries(opened, archive.name)
            count = _write(out, _rows(opened, entries, archive.name), _splits(entries))
    except DataError:
        out.unlink(missing_ok=True)
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        out.unlink(missing_ok=True)
        raise DataError(
            f"{archive.name} is no ZIP that can be read ({error}); pack the folder again."
        ) from error
    return count


def _entries(opened: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Pictures by their path below the folder that holds everything."""
    found: dict[str, zipfile.ZipInfo] = {}
    infos = opened.infolist()
    if len(infos) > MOST_ENTRIES:
        raise DataError(f"{name} holds more than {MOST_ENTRIES:,} files; use `turnover new`.")
    for info in infos:
        path = PurePosixPath(info.filename)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
        if info.is_dir() or hidden or not is_image_name(path.name):
            continue
        if info.flag_bits & 1:
            raise DataError(f"{name} is encrypted; pack it without a password.")
        if path.as_posix() in found:
            raise DataError(f"{name} holds {path} twice; pack it again.")
        found[path.as_posix()] = info
    if not found:
        raise DataError(
            f"{name} has no pictures; pack a folder of <class>/<picture>.png, or of "
            "<split>/<class>/<picture>.png."
        )
    while len(firsts := {path.split("/")[0] for path in found}) == 1 and all(
        path.count("/") > 1 for path in found
    ):
        (first,) = firsts
        found = {path[len(first) + 1 :]: info for path, info in found.items()}
    return found


def _splits(entries: dict[str, zipfile.ZipInfo]) -> bool:
    """Whether the outer folders are splits."""
    return all(path.count("/") > 1 and known_split(path.split("/")[0]) for path in entries)


def _rows(opened: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str) -> Iterator[Row]:
    left = MOST_BYTES
    splits = _splits(entries)
    for path, info in sorted(entries.items()):
        split, _, rest = path.partition("/") if splits else ("", "", path)
        label, _, bare = rest.partition("/")
        if not bare:
            raise DataError(
                f"{name} has {path} in no class folder; put it as <class>/<picture>.png."
            )
        with opened.open(info) as file:
            data = file.read(min(MOST_PICTURE_BYTES, left) + 1)
        left -= len(data)
        if len(data) > MOST_PICTURE_BYTES or left < 0:
            raise DataError(
                f"{name} would unpack to too much at {path}: at most "
                f"{MOST_PICTURE_BYTES >> 20} MB a picture and {MOST_BYTES >> 30} GB in all."
            )
        problem = image_problem(data)
        if problem:
            raise DataError(f"{path} in {name} is {problem}; save it again or leave it out.")
        yield path, known_split(split) if splits else None, label, data


def _write(out: Path, rows: Iterator[Row], splits: bool) -> int:
    schema = pa.schema(_SCHEMA | ({"split": pa.string()} if splits else {}))
    count = 0
    with pq.ParquetWriter(out, schema, compression="none") as writer:
        for batch in _batches(rows):
            columns = [[r[0] for r in batch], [r[3] for r in batch], [r[2] for r in batch]]
            if splits:
                columns.append([r[1] for r in batch])
            writer.write_table(
                pa.table([pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)],
                         schema=schema)
            )  # fmt: skip
            count += len(batch)
    return count


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    held: list[Row] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row[3])
        if size > _BATCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held
