"""Files that came through the browser, kept aside until a project has copied them.

Each lies in a folder of its own below the home of projects, under a name that is safe as a file
name; whoever forgets one need not clean up, old ones go when the next one comes.
"""

import re
import secrets
import shutil
import time
from pathlib import Path

from influence_core.data.read_arrow import SUFFIXES as PARQUET
from influence_core.data.read_csv import SUFFIXES as TEXT
from influence_core.data.zipped import SUFFIX as ZIP
from influence_core.data.zipped import pack_pictures
from influence_core.errors import DataError, TurnoverError
from influence_core.store.atomic import plain_errors

FOLDER = ".uploads"
MOST_MEGABYTES = 200
KEPT_SECONDS = 24 * 3600
SUFFIXES = (*TEXT, *PARQUET, ZIP)


def keep_upload(home: Path, name: str, content: bytes) -> Path:
    """Write an uploaded file below `home`; nothing is read of it yet, but for a ZIP of pictures.

    That becomes a Parquet file with the pictures in it.

    Args:
        home: of projects.
        name: as the browser gave it; only its letters, digits, dots and dashes are kept.
        content: its bytes.

    Raises:
        DataError: it is empty, too large, or no kind of file that is read here; or a ZIP that is
            refused.
        StoreError: it cannot be written.
    """
    safe = safe_name(name)
    if Path(safe).suffix.lower() not in SUFFIXES:
        raise DataError(f"{safe} is none of these: {', '.join(SUFFIXES)}; save it as CSV.")
    if not content:
        raise DataError(f"{safe} is empty; it needs a line of column names and rows below it.")
    if len(content) > MOST_MEGABYTES * 2**20:
        raise DataError(
            f"{safe} is larger than {MOST_MEGABYTES} MB; put it on the machine of the dashboard "
            "and use `turnover new`."
        )
    _sweep(home)
    folder = home / FOLDER / secrets.token_hex(8)
    with plain_errors("write", folder):
        folder.mkdir(parents=True)
        (folder / safe).write_bytes(content)
    if Path(safe).suffix.lower() != ZIP:
        return folder / safe
    packed = folder / f"{Path(safe).stem}.parquet"
    try:
        with plain_errors("write", folder):
            pack_pictures(folder / safe, packed)
            (folder / safe).unlink()
    except TurnoverError:
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


def _sweep(home: Path) -> None:
    parent = home / FOLDER
    for folder in parent.iterdir() if parent.is_dir() else ():
        try:
            old = time.time() - folder.stat().st_mtime > KEPT_SECONDS
        except OSError:
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)
