"""A ZIP of pictures in class folders, as one Parquet file with the pictures in it.

Nothing is ever unpacked to a path that the archive names: entries are read into memory one by one
and written as rows, so a name can lead nowhere and a link points at nothing. An archive that tries
is refused all the same, before a byte is written. What is promised by the archive's directory is
not believed; bytes are counted as they come out. What the folders mean is found out as for a folder
on disk (`picture_tree`), and whether a picture can be used is asked when its row is read.
Called by `workflow.projects.uploads`; the reader of Parquet takes it from there (`as_packed`).
"""

import json
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath, PureWindowsPath

import pyarrow as pa
import pyarrow.parquet as pq

from influence_core.data.images import MAX_BYTES, PixelBudget, count_pixels
from influence_core.data.readers.first_bytes import refuse_other
from influence_core.data.readers.picture_tree import Picture, Tree, arrange
from influence_core.data.rows import LeftOut, RawTable, Watch
from influence_core.disk.atomic import atomic_file
from influence_core.errors import DataError, one_line

SUFFIX = ".zip"
MOST_ENTRIES = 200_000
MOST_BYTES = 2 << 30  # of all pictures together
# Pictures are packed already, so a ZIP of them hardly gets smaller; bitmaps of one colour may.
MOST_RATIO = 100
RATIO_FREE_BYTES = 64 << 20  # below this, any ratio will do
# Further methods are further decoders, and one of them takes as much memory as the archive asks.
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BATCH_BYTES = 32 << 20
_NOTE = b"turnover.zip"  # in the Parquet file's schema: what its rows do not say


def pack_pictures(archive: Path, out: Path, watch: Watch | None = None) -> int:
    """Write the archive's pictures to a Parquet file; returns how many there are.

    Args:
        archive: a ZIP with `<class>/<picture>` or `<split>/<class>/<picture>`, perhaps below one
            folder that holds everything.
        out: file to write, with the columns `id` (path in the archive), `image`, `label` (or the
            names of two levels of folders, where either may be it), and `split` where folders name
            splits. Not made if anything is refused.
        watch: hears of progress and may cancel.

    Raises:
        DataError: it is no ZIP, holds something that is not as above, or too much of it.
        CancelledError: `watch` said so.
    """
    try:
        with zipfile.ZipFile(archive) as opened, atomic_file(out) as part:
            most = min(MOST_BYTES, max(RATIO_FREE_BYTES, MOST_RATIO * archive.stat().st_size))
            entries = _entries(opened, archive.name)
            tree = arrange(entries, archive.name)
            if sum(entries[picture.path].file_size for picture in tree.pictures) > most:
                raise _too_much(archive.name, most)
            rows = _pictures(opened, entries, tree, archive.name, most)
            _write(part, _watched(rows, len(tree.pictures), watch or Watch()), tree, archive.name)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        refuse_other(archive, "zip")
        raise DataError(
            f"{archive.name} is no ZIP that can be read ({one_line(error)}); pack the folder again."
        ) from error
    return len(tree.pictures)


def as_packed(raw: RawTable) -> RawTable:
    """A table of a Parquet file with what `pack_pictures` has noted, if that wrote the file."""
    note = (raw.table.schema.metadata or {}).get(_NOTE)
    if note is None or "id" not in raw.table.column_names:
        return raw
    try:
        told = json.loads(note)
        left_out = tuple(
            LeftOut(str(out["why"]), int(out["count"]), tuple(map(str, out["places"])), "")
            for out in told["left_out"]
        )
        name, sentences = str(told["name"]), tuple(map(str, told["told"]))
    except (ValueError, TypeError, KeyError):
        return raw  # by another hand
    ids = raw.table.column("id")
    return replace(
        raw,
        file=replace(raw.file, kind="zip"),
        place=lambda i: f"picture {ids[i].as_py()} of {name}",
        left_out=left_out,
        told=sentences,
    )


def _entries(opened: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """Files by their paths, with "/" between the parts whatever the packer wrote."""
    found: dict[str, zipfile.ZipInfo] = {}
    infos = opened.infolist()
    if len(infos) > MOST_ENTRIES:
        raise DataError(
            f"{name} holds more than {MOST_ENTRIES:,} files; import the folder itself instead."
        )
    for info in infos:
        path = PurePosixPath(info.filename.replace("\\", "/"))
        _refuse_tricks(info, path, name)
        if info.filename.endswith(("/", "\\")) or not path.name:
            continue
        if path.as_posix() in found:
            raise DataError(f"{name} holds {path} twice; pack it again.")
        found[path.as_posix()] = info
    return found


def _refuse_tricks(info: zipfile.ZipInfo, path: PurePosixPath, name: str) -> None:
    """No honest packer makes these; look at such an archive again."""
    if path.is_absolute() or ".." in path.parts or PureWindowsPath(path).drive:
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


def _pictures(
    opened: zipfile.ZipFile,
    entries: dict[str, zipfile.ZipInfo],
    tree: Tree,
    name: str,
    most: int,
) -> Iterator[tuple[Picture, bytes]]:
    left, budget = most, PixelBudget(name)
    for picture in tree.pictures:
        data = _read(opened, entries[picture.path])
        left -= len(data)
        if len(data) > MAX_BYTES:
            raise DataError(
                f"{picture.path} in {name} is larger than {MAX_BYTES >> 20} MB; save it smaller "
                "or remove it."
            )
        if left < 0:
            raise _too_much(name, most)
        count_pixels(data, budget)
        yield picture, data


def _watched(
    rows: Iterator[tuple[Picture, bytes]], total: int, watch: Watch
) -> Iterator[tuple[Picture, bytes]]:
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


def _write(out: Path, rows: Iterator[tuple[Picture, bytes]], tree: Tree, name: str) -> None:
    note = {"name": name, "told": tree.told, "left_out": [asdict(out) for out in tree.left_out]}
    texts = ["split"] * (tree.places.keys() != {None}) + list(tree.labels(()))
    schema = pa.schema(
        {"id": pa.string(), "image": pa.binary(), **dict.fromkeys(texts, pa.string())},
        metadata={_NOTE: json.dumps(note)},
    )
    with pq.ParquetWriter(out, schema, compression="none") as writer:
        for batch in _batches(rows):
            pictures = [picture for picture, _ in batch]
            columns = {
                "id": [picture.path.removeprefix(tree.base) for picture in pictures],
                "image": [data for _, data in batch],
                "split": [picture.split for picture in pictures],
                **tree.labels(pictures),
            }
            writer.write_table(pa.table({n: columns[n] for n in schema.names}, schema=schema))


def _batches(
    rows: Iterator[tuple[Picture, bytes]],
) -> Iterator[Sequence[tuple[Picture, bytes]]]:
    held: list[tuple[Picture, bytes]] = []
    size = 0
    for row in rows:
        held.append(row)
        size += len(row[1])
        if size > _BATCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held
