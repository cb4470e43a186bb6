"""Reading a user's data: `read_source`, and the registry of what can be read.

The wizard, the command line and the library come in here. A reader finds tables (`RawTable`), the
rest - bad rows, splits, classes, keys - is the same for all and lives in `data.assemble`. A new
kind of source is one module and one line here, or in `files` if it is one of files.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pyarrow as pa

from influence_core.data.assemble import assemble
from influence_core.data.budget import refuse_growth
from influence_core.data.columns import ColumnRoles, detect_columns
from influence_core.data.dataset import Dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.arrow_file import looks_like_hf, read_hf
from influence_core.data.readers.first_bytes import refuse_other
from influence_core.data.readers.hub import HUB_NAME, looks_like_hub, read_hub
from influence_core.data.readers.image_folder import looks_like_images, read_images
from influence_core.data.readers.tables import FILES, Reader, looks_like_tables, read_tables
from influence_core.data.readers.text_folder import looks_like_texts, read_texts
from influence_core.data.rows import RawTable, Watch
from influence_core.data.source import SourceFile
from influence_core.errors import DataError, ResourceError, one_line
from influence_core.progress import ProgressFn

Source = str | Path | Mapping[str, str | Path]
PREVIEW_ROWS = 200
ARCHIVES = (".tar", ".tgz", ".tbz2", ".txz", ".7z", ".rar", ".bz2", ".xz", ".zst", ".lz4")


# In the order in which they are tried.
READERS: dict[str, Reader] = {
    **FILES,
    "hf": Reader("Hugging Face dataset folder", looks_like_hf, read_hf),
    "tables": Reader("Folder or ZIP of tables named by split", looks_like_tables, read_tables),
    "folder": Reader("Folder of images, one folder per class", looks_like_images, read_images),
    "texts": Reader("Folder of texts, one folder per class", looks_like_texts, read_texts),
    "hub": Reader("Hugging Face hub name", looks_like_hub, read_hub),
}


# What files are called for people; a ZIP's pictures are read as Parquet.
TITLES = {kind: reader.title for kind, reader in READERS.items()} | {"zip": "ZIP of images"}


@dataclass(frozen=True)
class Preview:
    """A first look at a source, before anything is decided.

    Attributes:
        kind: which reader would read it.
        columns: names in the source.
        rows: its first rows, as they are.
        roles: which column seems to be what, or None.
        problem: why the roles cannot be told, "" if they can.
    """

    kind: str
    columns: tuple[str, ...]
    rows: pd.DataFrame
    roles: ColumnRoles | None
    problem: str = ""


def read_source(
    source: Source,
    options: ReadOptions | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Dataset:
    """Read a data set.

    Args:
        source: a file, a folder or a hub name; or several by split name: `{"train": ..., ...}`.
        options: what the user wants; everything is detected if None.
        progress: hears how far it is.
        cancel: stops it.

    Returns:
        The data set. "valid" and "test" are cut off "train" where the source has none.

    Raises:
        DataError: the source cannot be used as it is; one sentence that says why and the way out.
        CancelledError: `cancel` was set.
    """
    options = options or ReadOptions()
    watch = Watch(progress, cancel)
    parts = source if isinstance(source, Mapping) else {None: source}
    if not parts:
        raise DataError("No file was named; name at least the one to train on.")
    raws: list[RawTable] = []
    for split, path in parts.items():
        with _plain_errors(path):
            kind = guess_kind(str(path), options)
            _refuse_others(kind, path, options)
            found = READERS[kind].read(str(path), options, None)
        if split is not None and len(found) != 1:
            raise DataError(
                f"{path} holds the splits {[raw.split for raw in found]} already; name it alone."
            )
        raws += found if split is None else [replace(found[0], split=split)]
    with _plain_errors(path):
        return assemble(raws, options, watch)


def preview_source(source: str | Path, options: ReadOptions | None = None) -> Preview:
    """Look at the first 200 rows and say which column seems to be what.

    Raises:
        DataError: the source cannot be read at all.
    """
    options = options or ReadOptions()
    with _plain_errors(source):
        kind = guess_kind(str(source), options)
        raw = READERS[kind].read(str(source), options, PREVIEW_ROWS)[0]
        head = raw.table.slice(0, PREVIEW_ROWS)
        rows = head.to_pandas(ignore_metadata=True)  # what pandas left there may be damaged
    columns = tuple(head.column_names)
    try:
        roles = detect_columns(head, options, raw.name)
    except DataError as error:
        return Preview(kind, columns, rows, None, str(error))
    return Preview(kind, columns, rows, roles)


def _refuse_others(kind: str, path: str | Path, options: ReadOptions) -> None:
    """Options that only another kind of source has."""
    if kind != "hub" and (options.config or options.revision):
        raise DataError(
            f"{path} is no data set of the hub, which alone has a --config or --revision; leave "
            "these out."
        )
    if options.sheet and kind not in ("xlsx", "tables"):
        raise DataError(f"{path} is no workbook, which alone has a --sheet; leave it out.")


@contextmanager
def _plain_errors(source: str | Path) -> Iterator[None]:
    """What Arrow and pandas trip over, as one sentence."""
    name = Path(source).name
    try:
        yield
    except MemoryError as error:
        _refuse_absurd(error, Path(source))
        raise ResourceError(
            f"Memory ran out while {name} was read; close other programs, or make it smaller."
        ) from error
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise DataError(
            f"{name} holds values that cannot be read ({one_line(error)}); remove their column, "
            "or write it as text."
        ) from error


def _refuse_absurd(error: MemoryError, path: Path) -> None:
    """What Arrow could not have is often a damaged length, which asks for petabytes."""
    asked = re.search(r"size (\d+) failed", str(error))
    if asked and path.is_file():
        refuse_growth(int(asked[1]), path.stat().st_size, path.name)


def read_again(file: SourceFile, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """The tables of a file or folder that was read before.

    Raises:
        DataError: it cannot be read any more.
    """
    several = file.parts or (file.packing == "zip" and not file.packed)
    kind = "parquet" if file.kind == "zip" else file.kind  # of pictures
    return READERS["tables" if several else kind].read(file.path, options, limit)


def guess_kind(source: str, options: ReadOptions) -> str:
    """Name of the reader for a source: the one that was asked for, else the first that matches.

    Raises:
        DataError: there is no such reader, or the source does not exist, or none matches.
    """
    if options.kind is not None:
        if options.kind not in READERS:
            raise DataError(f"There is no reader {options.kind!r}; there are {list(READERS)}.")
        if options.kind == "hf" and not looks_like_hf(source):
            return "tables"  # files of the hub, which nobody has saved by `datasets`
        return options.kind
    found = next((kind for kind, reader in READERS.items() if reader.matches(source)), None)
    if found is not None:
        return found
    if not Path(source).exists():
        named = HUB_NAME.fullmatch(source) and not Path(source).suffix
        of_the_hub = " A data set of the hub by this name is read with --kind hub." if named else ""
        raise DataError(f"{source} does not exist; check the path.{of_the_hub}")
    name = Path(source).name.lower()
    if Path(source).is_file() and (name.endswith(ARCHIVES) or ".tar." in name):
        raise DataError(
            f"{Path(source).name} is packed in a way that is not read; unpack it and name what "
            "was in it, or pack it as ZIP."
        )
    if Path(source).is_file():
        with suppress(OSError):
            refuse_other(Path(source), "")
    if Path(source).is_dir() and not any(Path(source).iterdir()):
        raise DataError(f"The folder {source} is empty; check the path.")
    kinds = "; ".join(reader.title for reader in READERS.values())
    raise DataError(
        f"{source} is none of these: {kinds}; save it as one of them, or say which it is (--kind)."
    )
