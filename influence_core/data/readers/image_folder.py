"""Reads a folder of pictures: `folder/<class>/...` or `folder/<split>/<class>/...`.

The pictures stay where they are; a row holds the path relative to the folder. Keys come from the
bytes, so moving a picture to another class's folder relabels it and keeps its key. What the folders
mean is found out in `picture_tree`. `data.readers` is the caller.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from influence_core.data.images import UNREAD, is_image_name
from influence_core.data.options import ReadOptions
from influence_core.data.readers.picture_tree import Tree, arrange, is_junk
from influence_core.data.rows import RawTable
from influence_core.data.source import SourceFile
from influence_core.errors import DataError

MOST_LOOKED_AT = 2000


def looks_like_images(source: str) -> bool:
    """Whether it is a folder with a picture somewhere in its folders."""
    root = Path(source)
    if not root.is_dir():
        return False
    some = islice(files_below(root), MOST_LOOKED_AT)
    return any(is_image_name(path) or Path(path).suffix.lower() in UNREAD for path in some)


def read_images(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """List the pictures, by split if folders are named like splits.

    Args:
        source: the folder.
        options: not used; columns are always `image_path` and `label`, or the names of two levels
            of folders where either may be the class.
        limit: most rows wanted of each split, None for all.

    Raises:
        DataError: there are no pictures in class folders.
    """
    del options
    root = Path(source)
    if not root.is_dir():
        raise DataError(f"{root} does not exist or is no folder; check the path.")
    tree = arrange(files_below(root), root.name)
    raws: list[RawTable] = []
    for split in sorted({picture.split for picture in tree.pictures}, key=str):
        raw = _raw(root, tree, split, limit)
        # What belongs to no split is counted once.
        raws.append(raw if raws else replace(raw, left_out=tree.left_out, told=tree.told))
    return raws


def _raw(root: Path, tree: Tree, split: str | None, limit: int | None) -> RawTable:
    pictures = [picture for picture in tree.pictures if picture.split == split][:limit]
    columns = {"image_path": [_text(p.path) for p in pictures], **tree.labels(pictures)}
    return RawTable(
        split=split,
        table=pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}),
        file=SourceFile(
            kind="folder",
            path=str((root / tree.places[split]).resolve()),
            sha256="",
            rows=len(pictures),
        ),
        place=lambda i: f"picture {pictures[i].path} of {root.name}",
        rows=np.arange(len(pictures), dtype=np.int64),
        image_root=root.resolve(),
    )


def files_below(root: Path) -> Iterator[str]:
    """Files below a folder, and links to folders, which are not followed; hidden ones are left."""
    for place, folders, names in os.walk(root):
        folders[:] = sorted(folder for folder in folders if not is_junk(folder))
        links = [folder for folder in folders if (Path(place) / folder).is_symlink()]
        below = Path(place).relative_to(root).as_posix()
        for name in (*names, *links):
            yield name if below == "." else f"{below}/{name}"


def _text(path: str) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError as error:
        raise DataError(f"The file name {path!r} is not UTF-8 text; rename the file.") from error
    return path
