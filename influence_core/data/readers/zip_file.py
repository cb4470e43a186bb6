"""A ZIP of pictures in class folders, as one Parquet file with the pictures in it.

Nothing is ever unpacked to a path that the archive names: entries are read into memory one by one,
checked, and written as rows, so a name can lead nowhere and a link points at nothing. An archive
that tries is refused all the same, before a byte is written. What is promised by the archive's
directory is not believed; bytes are counted as they come out.
Called by `workflow.uploads`; the reader of Parquet takes it from there.
"""

import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.columns import known_split
from influence_core.data.images import MAX_BYTES, PixelBudget, image_problem, is_image_name
from influence_core.data.rows import Watch
from influence_core.disk.atomic import atomic_file
from influence_core.errors import DataError

SUFFIX = ".zip"
MOST_ENTRIES = 200_000
MOST_BYTES = 2 << 30  # of all pictures together
# Pictures are packed already, so a ZIP of them hardly gets smaller; bitmaps of one colour may.
MOST_RATIO = 100
RATIO_FREE_BYTES = 64 << 20  # below this, any ratio will do
# Further methods are further decoders, and one of them takes as much memory as the archive asks.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BATCH_BYTES = 32 << 20
_SCHEMA = {"id": pa.string(), "image": pa.binary(), "label": pa.string()}

Row = tuple[str, str | None, str, bytes]  # path, split, class, picture


def pack_pictures(archive: Path, out: Path, watch: Watch | None = None) -> int:
    """Write the archive's pictures to a Parquet file; returns how many there are.

    Args:
        archive: a ZIP with `<class>/<picture>` or `<split>/<class>/<picture>`, perhaps below one
            folder that holds everything.
        out: file to write, with the columns `id` (path in the archive), `image`, `label`, and
            `split` where the folders name splits. Not made if anything is refused.
        watch: hears of progress and may cancel.

    Raises:
        DataError: it is no ZIP, holds something that is not as above, or too much of it.
        CancelledError: `watch` said so.
    """
    try:
        with zipfile.ZipFile(archive) as opened, atomic_file(out) as part:
            most = min(MOST_BYTES, max(RATIO_FREE_BYTES, MOST_RATIO * archive.stat().st_size))
            entries = _entries(opened, archive.name, most)
            rows = _rows(opened, entries, archive.name, most)
            seen = _watched(rows, len(entries), watch or Watch(None, None))
            count = _write(part, seen, _splits(entries))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(
            f"{archive.name} is no ZIP that can be read ({error}); pack the folder again."
        ) from error
    return count


def _entries(opened: zipfile.ZipFile, name: str, most: int) -> dict[str, zipfile.ZipInfo]:
    """Pictures by their path below the folder that holds everything."""
    found: dict[str, zipfile.ZipInfo] = {}
    infos = opened.infolist()
    if len(infos) > MOST_ENTRIES:
        raise DataError(
            f"{name} holds more than {MOST_ENTRIES:,} files; import the folder itself instead."
        )
    for info in infos:
        path = PurePosixPath(info.filename)
        _refuse_tricks(info, path, name)
        hidden = any(part.startswith(".") or part == "__MACOSX" for part in path.parts)
        if info.filename.endswith("/") or hidden or not is_image_name(path.name):
            continue
        if path.as_posix() in found:
            raise DataError(f"{name} holds {path} twice; pack it again.")
        found[path.as_posix()] = info
    if not found:
        raise DataError(
            f"{name} has no pictures; pack a folder of <class>/<picture>.png, or of "
            "<split>/<class>/<picture>.png."
        )
    if sum(info.file_size for info in found.values()) > most:
        raise _too_much(name, most)
    while len(firsts := {path.split("/")[0] for path in found}) == 1 and all(
        path.count("/") > 1 for path in found
    ):
        (first,) = firsts
        found = {path[len(first) + 1 :]: info for path, info in found.items()}
    return found


def _refuse_tricks(info: zipfile.ZipInfo, path: PurePosixPath, name: str) -> None:
    """No honest packer makes these; look at such an archive again."""
    if path.is_absolute() or ".." in path.parts or "\\" in info.filename:
        raise DataError(
            f"{name} holds the path {info.filename}, which leads out of its folder; pack the "
            "folder again, with plain relative paths."
        )
    if stat.S_ISLNK(info.external_attr >> 16):
        raise DataError(f"{name} holds the link {path}; pack the picture itself in its place.")
    if info.flag_bits & 1:
        raise DataError(f"{name} is encrypted; pack it without a password.")
    if info.compress_type not in METHODS:
        raise DataError(f"{name} is packed in an unusual way; pack it as a plain ZIP (deflate).")


def _too_much(name: str, most: int) -> DataError:
    return DataError(
        f"{name} would unpack to more than {most >> 20:,} MB, which its size does not explain or "
        "which is too much here; pack fewer or smaller pictures, or import the folder itself."
    )


def _splits(entries: dict[str, zipfile.ZipInfo]) -> bool:
    """Whether the outer folders are splits."""
    return all(path.count("/") > 1 and known_split(path.split("/")[0]) for path in entries)


def _rows(
    opened: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], name: str, most: int
) -> Iterator[Row]:
    left, budget = most, PixelBudget(name)
    splits = _splits(entries)
    for path, info in sorted(entries.items()):
        split, _, rest = path.partition("/") if splits else ("", "", path)
        label, _, bare = rest.partition("/")
        if not bare:
            raise DataError(
                f"{name} has {path} in no class folder; put it as <class>/<picture>.png."
            )
        data = _read(opened, info)
        left -= len(data)
        if len(data) > MAX_BYTES:
            raise DataError(
                f"{path} in {name} is larger than {MAX_BYTES >> 20} MB; save it smaller "
                "or leave it out."
            )
        if left < 0:
            raise _too_much(name, most)
        problem = image_problem(data, budget)
        if problem:
            raise DataError(f"{path} in {name} is {problem}; save it again or leave it out.")
        yield path, known_split(split) if splits else None, label, data


def _watched(rows: Iterator[Row], total: int, watch: Watch) -> Iterator[Row]:
    for done, row in enumerate(rows, 1):
        watch.step(done, total)
        yield row


def _read(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """The entry's bytes, one more than allowed at most."""
    try:
        with opened.open(info) as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:  # a directory that points before the start of the file
        raise zipfile.BadZipFile(str(error)) from error


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
