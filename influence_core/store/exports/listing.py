"""Lists of pictures: what an export of an image folder, or of a ZIP of one, is edited as.

The list is a CSV of paths and classes; where each picture lies, and which part of its path is the
class, goes along for the copied tree. `plan` is the caller.
"""

from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa

from influence_core.data.columns import LEVELS
from influence_core.store.exports.convert import to_csv
from influence_core.store.exports.way_back import inner_path

LISTING = "images.csv"


@dataclass(frozen=True)
class Pictures:
    """The pictures of an image folder: paths relative to `root`; `depth` is the class's part."""

    root: Path
    paths: tuple[str, ...]
    depth: int


def list_folder(table: pa.Table, label: str, root: Path, below: Path, out: Path) -> Pictures:
    """Write the list of a folder's pictures.

    Args:
        table: the folder as it was read.
        label: name of its label column.
        root: folder that paths are relative to; `below`, the folder that holds the class folders.
        out: the CSV to write.
    """
    depth = len(below.relative_to(root).parts) if below.is_relative_to(root) else 0
    depth += LEVELS.index(label) if label in LEVELS else 0
    to_csv(table, label, None, out)
    return Pictures(root, tuple(table.column("image_path").to_pylist()), depth)


def list_zip(table: pa.Table, label: str, unpack: bool, out: Path) -> Pictures:
    """Write the list of a ZIP's pictures by their paths in it.

    Args:
        table: its pictures, as they were packed for reading.
        label: name of the label column.
        unpack: write the pictures as well, into a folder beside the list.
        out: the CSV to write.

    Raises:
        StoreError: a path leads out of the folder.
    """
    root = out.parent / "unpacked"
    paths = tuple(table.column("id").to_pylist())
    for path, picture in zip(paths, table.column("image"), strict=True) if unpack else ():
        file = root / inner_path(path, root)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(picture.as_py())
    named = list(
        zip((path.split("/") for path in paths), table.column(label).to_pylist(), strict=True)
    )
    depth = next(d for d in count() if all(parts[d] == label for parts, label in named))
    names = ["image_path" if name == "id" else name for name in table.column_names]
    to_csv(table.rename_columns(names).drop_columns("image"), label, None, out)
    return Pictures(root, paths, depth)
