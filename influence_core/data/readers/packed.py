"""Files in a .gz or a .zip: unpacked into a folder of our own, and no more than can be believed.

Nothing is unpacked to a place that an archive names: a file of a ZIP gets its own plain name. Bytes
are counted as they come out. `data.readers.tables` reads what is in it.
"""

import gzip
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import IO

from influence_core.data.budget import refuse_growth
from influence_core.data.images import is_image_name
from influence_core.data.readers.first_bytes import refuse_other
from influence_core.data.readers.picture_tree import is_junk
from influence_core.errors import DataError, one_line

PACKINGS = {".gz": "gz", ".zip": "zip"}
MOST_FILES = 100  # tables in a ZIP
_PIECE = 1 << 20
_DIRECTORY_BYTES = 8 << 20  # of a ZIP that is looked into
_END_BYTES = 1 << 17  # the end of a ZIP and its longest comment lie within


def packing_of(path: Path) -> str:
    """ "gz", "zip" or "", by the name."""
    return PACKINGS.get(path.suffix.lower(), "")


@contextmanager
def unpacked(path: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """As `unpack`, for as long as the block runs; what is wrong then is said of what was packed.

    Raises:
        DataError: as `unpack`, and what the block raises, without the folder that nobody knows.
    """
    with TemporaryDirectory(prefix="turnover-") as folder:
        try:
            yield unpack(path, Path(folder), suffixes)
        except DataError as error:
            said = str(error).replace(f"{folder}/", "").replace(folder, path.name)
            said = said.replace(Path(folder).name, path.name)
            raise DataError(said if path.name in said else f"{path.name}: {said}") from error


def unpack(path: Path, folder: Path, suffixes: tuple[str, ...]) -> Path:
    """The file in it, or the folder if there are several.

    Args:
        path: a .gz, or a .zip.
        folder: where to put them.
        suffixes: of the files that are wanted of a ZIP; others stay in it.

    Raises:
        DataError: it is damaged or protected, holds no such file, or would unfold to too much.
    """
    packing = packing_of(path)
    try:
        refuse_other(path, packing)
        return (_gunzipped if packing == "gz" else _unzipped)(path, folder, suffixes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise DataError(
            f"{path.name} cannot be unpacked ({one_line(error)}); pack it again."
        ) from error
    except OSError as error:  # also of gzip, without a number
        why = error.strerror or one_line(error)
        raise DataError(f"{path.name} cannot be unpacked ({why}); pack it again.") from error


def tables_in(path: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Names of what is packed in it and may be a table; none if there are pictures in it.

    Raises:
        DataError: it is no ZIP that can be read.
    """
    if packing_of(path) == "gz":
        return [path.stem]
    try:
        if not _is_small(path):
            return []
        with zipfile.ZipFile(path) as archive:
            pictures = any(map(is_image_name, archive.namelist()))
            return [] if pictures else [info.filename for info in _wanted(archive, suffixes)]
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        with suppress(OSError):
            refuse_other(path, "zip")
        raise DataError(f"{path.name} is no ZIP that can be read ({one_line(error)}).") from error


def _is_small(path: Path) -> bool:
    """Whether the directory of a ZIP is one of few files: a large one would fill the memory."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        end = file.read()
    at = end.rfind(b"PK\5\6")
    more = b"PK\6\7" in end  # another directory, of more than 65,535 files
    return (
        at >= 0 and not more and int.from_bytes(end[at + 12 : at + 16], "little") < _DIRECTORY_BYTES
    )


def packed_like(source: Path, member: str, edited: Path, out: Path) -> None:
    """Pack an edited file as its source was; other files of a ZIP are as they were."""
    if packing_of(source) == "gz":
        with edited.open("rb") as file, gzip.open(out, "wb") as target:
            shutil.copyfileobj(file, target, _PIECE)
        return
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            with new.open(copy(info), "w", force_zip64=True) as target:
                kept = _slashed(info.filename) != _slashed(member)
                with old.open(info.filename) if kept else edited.open("rb") as file:
                    shutil.copyfileobj(file, target, _PIECE)


def _gunzipped(path: Path, folder: Path, suffixes: tuple[str, ...]) -> Path:
    del suffixes
    target = folder / path.stem
    with gzip.open(path) as file:
        _copied(file, target, path)
    return target


def _unzipped(path: Path, folder: Path, suffixes: tuple[str, ...]) -> Path:
    with zipfile.ZipFile(path) as archive:
        wanted = _wanted(archive, suffixes)
        if not wanted:
            raise DataError(f"{path.name} holds no table ({', '.join(suffixes)}).")
        if sum(not info.filename.lower().endswith(".txt") for info in wanted) > MOST_FILES:
            raise DataError(f"{path.name} holds more than {MOST_FILES} tables; unpack it.")
        refuse_growth(sum(info.file_size for info in wanted), path.stat().st_size, path.name)
        targets = []
        for info in wanted:
            if info.flag_bits & 1:
                raise DataError(f"{path.name} is encrypted; pack it without a password.")
            target = folder.joinpath(*_plain_parts(info.filename, path))
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as file:
                _copied(file, target, path)
            targets.append(target)
    return targets[0] if len(targets) == 1 else folder


def _plain_parts(name: str, path: Path) -> tuple[str, ...]:
    """Parts of an entry's name, which must lead nowhere else."""
    parts = PurePosixPath(_slashed(name)).parts
    if parts[:1] == ("/",) or ".." in parts or ":" in name or "\0" in name:
        raise DataError(f"{path.name} holds the path {name!r}, which is refused; pack it again.")
    return parts


def _slashed(name: str) -> str:
    """With "/" between the parts, whatever the packer wrote."""
    return name.replace("\\", "/")


def _wanted(archive: zipfile.ZipFile, suffixes: tuple[str, ...]) -> list[zipfile.ZipInfo]:
    if "" in archive.namelist():  # which the library itself trips over
        raise zipfile.BadZipFile("an entry has no name")
    return [
        info
        for info in archive.infolist()
        if not info.is_dir()
        and PurePosixPath(info.filename).suffix.lower() in suffixes
        and not any(map(is_junk, PurePosixPath(_slashed(info.filename)).parts))
    ]


def _copied(file: "IO[bytes] | gzip.GzipFile", target: Path, source: Path) -> None:
    done, size = 0, source.stat().st_size
    with target.open("wb") as opened:
        while piece := file.read(_PIECE):
            done += len(piece)
            refuse_growth(done, size, source.name)
            opened.write(piece)
