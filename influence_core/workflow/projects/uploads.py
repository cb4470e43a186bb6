"""Files that came through the browser, kept aside until a project has copied them.

Each lies in a folder of its own below the home of projects, under a name that is safe as a file
name; nobody need clean up after one, old ones go when the next one comes.
"""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from influence_core.data.readers.excel_file import SUFFIXES as WORKBOOKS
from influence_core.data.readers.packed import PACKINGS, tables_in
from influence_core.data.readers.tables import SUFFIXES as TABLES
from influence_core.data.readers.text.csv_file import SUFFIXES as TEXT
from influence_core.data.readers.zip_file import SUFFIX as ZIP
from influence_core.data.readers.zip_file import pack_pictures
from influence_core.data.rows import Watch
from influence_core.disk.atomic import plain_errors
from influence_core.disk.temporary import TEMPORARY, remove_abandoned, temporary_folder
from influence_core.errors import DataError

FOLDER = ".uploads"
MOST_MEGABYTES = 200
KEPT_SECONDS = 24 * 3600
MOST_NAMES = 2_000  # of a folder that are looked at
Pack = Callable[[Path, Path], object]  # an archive, the file to write
SUFFIXES = (*TABLES, *PACKINGS)
FEATURES = (".npy", ".npz", ".safetensors", ".parquet")


def keep_upload(
    home: Path,
    name: str,
    content: bytes,
    pack: Pack = pack_pictures,
    suffixes: Sequence[str] = SUFFIXES,
) -> Path:
    """Write an uploaded file below `home`; nothing is read of it yet, but for a ZIP of pictures.

    That becomes a Parquet file with the pictures in it.

    Args:
        home: of projects.
        name: as the browser gave it; only its letters, digits, dots and dashes are kept.
        content: its bytes.
        pack: what makes a Parquet file of a ZIP's pictures.
        suffixes: that are taken.

    Raises:
        DataError: it is empty, too large, or no kind of file that is read here; or a ZIP that is
            refused.
        StoreError: it cannot be written.
    """
    safe = safe_name(name)
    if Path(safe).suffix.lower() not in suffixes:
        raise DataError(f"{safe} is none of these: {', '.join(suffixes)}; save it as one of these.")

    if not content:
        raise DataError(f"{safe} is empty; write it again.")
    if len(content) > MOST_MEGABYTES * 2**20:
        raise DataError(
            f"{safe} is larger than {MOST_MEGABYTES} MB; put it on the machine of the dashboard "
            "and use `turnover new`."
        )
    folder = _new_folder(home)
    with plain_errors("write", folder):
        (folder / safe).write_bytes(content)
    if not is_zip(folder / safe):
        return folder / safe
    packed = _packed(folder / safe, folder, pack)
    (folder / safe).unlink()
    return packed


def is_zip(path: str | Path) -> bool:
    """Whether a path is a file that is called like a ZIP, and holds something else than tables."""
    called = Path(path).suffix.lower() == ZIP and Path(path).is_file()
    return called and not tables_in(Path(path), TABLES)


def is_text(path: str | Path) -> bool:
    """Whether a path is called like a CSV or other text, perhaps in a .gz."""
    name = Path(path).name.lower().removesuffix(".gz")
    return Path(name).suffix in TEXT


def is_workbook(path: str | Path) -> bool:
    """Whether a path is called like a workbook, perhaps in a .gz."""
    return Path(path).name.lower().removesuffix(".gz").endswith(WORKBOOKS)


def holds_text(path: str | Path) -> bool:
    """Whether it is a text, or a folder or a ZIP with one among what is looked at."""
    place = Path(path)
    if place.is_dir():
        return any(map(is_text, islice(place.rglob("*"), MOST_NAMES)))
    if place.suffix.lower() == ZIP and place.is_file():
        return bool(tables_in(place, TEXT))
    return is_text(place)


def keep_zip(home: Path, archive: Path, pack: Pack = pack_pictures) -> Path:
    """The pictures of a ZIP on this machine as a Parquet file below `home`, kept like an upload.

    Raises:
        DataError: the ZIP is refused; nothing is left of it then.
        StoreError: it cannot be read, or the file not written.
    """
    return _packed(archive, _new_folder(home), pack)


def is_upload(home: Path, path: Path) -> bool:
    """Whether it lies among the uploads."""
    return path.resolve().is_relative_to((home / FOLDER).resolve())


@contextmanager
def readable(home: Path, source: str, watch: Watch | None = None) -> Iterator[str]:
    """A source that a reader takes: the same, or a ZIP's pictures for as long as the block runs."""
    if not is_zip(source):
        yield source
        return
    sweep_uploads(home)
    with plain_errors("unpack", Path(source)), temporary_folder(home / FOLDER / "zip") as folder:
        yield str(_packed(Path(source), folder, partial(pack_pictures, watch=watch)))


def _new_folder(home: Path) -> Path:
    sweep_uploads(home)
    folder = home / FOLDER / secrets.token_hex(8)
    with plain_errors("write", folder):
        folder.mkdir(parents=True)
    return folder


def _packed(archive: Path, folder: Path, pack: Pack) -> Path:
    """Into the folder, which goes if the archive is refused."""
    packed = folder / f"{Path(safe_name(archive.name)).stem}.parquet"
    try:
        with plain_errors("unpack", archive):
            pack(archive, packed)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return packed


def forget_upload(home: Path, path: Path) -> None:
    """Remove an uploaded file; any other path is left alone."""
    folder = path.parent
    if folder.parent.resolve() == (home / FOLDER).resolve():
        shutil.rmtree(folder, ignore_errors=True)


def safe_name(name: str) -> str:
    """A file name without folders and special characters, at most 80 long, its suffix kept."""
    bare = re.split(r"[\\/]", name)[-1]
    stem, suffix = Path(bare).stem, Path(bare).suffix
    cleaned = re.sub(r"[^\w-]+", "_", stem, flags=re.ASCII).strip("_")[:60] or "upload"
    return cleaned + re.sub(r"[^\w.]+", "", suffix, flags=re.ASCII)[:20]


def sweep_uploads(home: Path) -> None:
    """Remove old uploads, and what a killed process left of a ZIP."""
    remove_abandoned(home / FOLDER)
    parent = home / FOLDER
    for folder in parent.iterdir() if parent.is_dir() else ():
        try:
            old = time.time() - folder.stat().st_mtime > KEPT_SECONDS
        except OSError:
            continue
        if old and not folder.name.startswith(TEMPORARY):
            shutil.rmtree(folder, ignore_errors=True)
