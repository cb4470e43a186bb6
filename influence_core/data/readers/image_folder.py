"""Reads a folder of pictures: `folder/<class>/...` or `folder/<split>/<class>/...`.

The pictures stay where they are; a row holds the path relative to the folder. Keys come from the
bytes, so moving a picture to another class's folder relabels it and keeps its key. `data.readers`
is the caller.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from influence_core.data.columns import known_split
from influence_core.data.images import is_image_name
from influence_core.data.options import ReadOptions
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.errors import DataError

MOST_LOOKED_AT = 2000


def looks_like_images(source: str) -> bool:
    """Whether it is a folder with a picture somewhere in its folders."""
    root = Path(source)
    if not root.is_dir():
        return False
    files = (name for _, _, names in os.walk(root) for name in names)
    return any(is_image_name(name) for name, _ in zip(files, range(MOST_LOOKED_AT), strict=False))


def read_images(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """List the pictures, by split if the first level of folders is named like splits.

    Args:
        source: the folder.
        options: not used; columns are always `image_path` and `label`.
        limit: most rows wanted of each split, None for all.

    Raises:
        DataError: there are no pictures in class folders.
    """
    del options
    root = Path(source)
    if not root.is_dir():
        raise DataError(f"{root} does not exist or is no folder; check the path.")
    folders = _folders(root)
    splits = {folder: known_split(folder.name) for folder in folders}
    if folders and all(splits.values()):
        found = {str(split): folder for folder, split in splits.items()}
        if len(found) < len(folders):
            raise DataError(f"{root} has two folders for one split; rename or join them.")
        return [_read_split(root, folder, split, limit) for split, folder in sorted(found.items())]
    return [_read_split(root, root, None, limit)]


def _read_split(root: Path, folder: Path, split: str | None, limit: int | None) -> RawTable:
    paths: list[str] = []
    labels: list[str] = []
    for class_folder in _folders(folder):
        pictures = [_text(path.relative_to(root)) for path in _pictures(class_folder)]
        paths += pictures
        labels += [class_folder.name] * len(pictures)
    if not paths:
        raise DataError(
            f"{folder} has no pictures in class folders; put them as <class>/<picture>.png."
        )
    paths, labels = paths[:limit], labels[:limit]
    columns = {"image_path": pa.array(paths, pa.string()), "label": pa.array(labels, pa.string())}
    return RawTable(
        split=split,
        table=pa.table(columns),
        file=SourceFile(
            kind="folder",
            path=str(folder.resolve()),
            sha256="",
            rows=len(paths),
        ),
        place=lambda i: f"picture {paths[i]} of {root.name}",
        rows=np.arange(len(paths), dtype=np.int64),
        image_root=root.resolve(),
    )


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and path.name[0] != ".")


def _pictures(folder: Path) -> Iterator[Path]:
    """Pictures below a class folder in a fixed order; links to other folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if is_image_name(name) and name[0] != ".":
                yield Path(place) / name


def _text(path: Path) -> str:
    text = path.as_posix()
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"The file name {text!r} is not UTF-8 text; rename the file.") from error
    return text
