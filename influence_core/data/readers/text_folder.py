"""Reads a folder of texts: `folder/<class>/x.txt` or `folder/<split>/<class>/x.txt`, as aclImdb.

What the folders mean is found out as for pictures (`picture_tree`). A text is decoded as UTF-8;
those that are not are recognised together, since one alone is too short to tell its encoding by.
An export lists paths, texts and classes as CSV. `data.readers.registry` is the caller, and `tables`
for what is in a ZIP.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from influence_core.data.options import ReadOptions
from influence_core.data.readers.image_folder import MOST_LOOKED_AT, files_below
from influence_core.data.readers.picture_tree import NAMED, Picture, Tree, arrange
from influence_core.data.readers.text.encodings import detect_encoding
from influence_core.data.rows import LeftOut, RawTable
from influence_core.data.source import SourceFile
from influence_core.errors import DataError

SUFFIX = ".txt"
MOST_BYTES = 16 << 20  # of one text
UNLABELLED = frozenset({"unsup", "unsupervised", "unlabeled", "unlabelled"})
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


def looks_like_texts(source: str) -> bool:
    """Whether it is a folder with a text somewhere in its folders."""
    root = Path(source)
    some = islice(files_below(root), MOST_LOOKED_AT) if root.is_dir() else ()
    return any(_is_text(path) and "/" in path for path in some)


def read_texts(source: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """Read the texts, by split if folders are named like splits.

    Args:
        source: the folder.
        options: `encoding` is used.
        limit: most rows wanted of each split, None for all.

    Raises:
        DataError: there are no texts in class folders, or one cannot be read.
    """
    root = Path(source)
    if not root.is_dir():
        raise DataError(f"{root} does not exist or is no folder; check the path.")
    return texts_below(root, root.name, options, limit)


def texts_below(root: Path, name: str, options: ReadOptions, limit: int | None) -> list[RawTable]:
    """As `read_texts`, of a folder that is there and is called so for people."""
    paths = list(files_below(root))
    texts = [path for path in paths if _is_text(path)]
    without = [path for path in texts if UNLABELLED & {*path.casefold().split("/")[:-1]}]
    try:
        tree = arrange(set(texts) - set(without), name, _is_text)
    except DataError as error:  # folders of texts follow the rule of pictures, and so do its words
        said = str(error).replace("picture", "text").replace(".png", SUFFIX)
        raise DataError(said) from error
    left_out = tree.left_out
    if without:
        places = tuple(f"{path} of {name}" for path in without[:NAMED])
        why = "stands in a folder of texts without labels"
        left_out += (LeftOut(why, len(without), places, ""),)
    told = tree.told
    if len(texts) < len(paths):
        others = len(paths) - len(texts)
        told += (f"{others:,} files of {name} that are no {SUFFIX} are passed over.",)
    raws = [_raw(root, name, tree, split, options, limit) for split in sorted(tree.places, key=str)]
    # What belongs to no split is counted once.
    raws[0] = replace(raws[0], left_out=left_out, told=(*told, *raws[0].told))
    return raws


def _is_text(path: str) -> bool:
    return path.lower().endswith(SUFFIX)


def _raw(
    root: Path, name: str, tree: Tree, split: str | None, options: ReadOptions, limit: int | None
) -> RawTable:
    found: Sequence[Picture] = [text for text in tree.pictures if text.split == split][:limit]
    paths = [text.path for text in found]
    texts, told = _decoded(root, name, paths, options.encoding)
    columns = {"text": texts, "path": paths, **tree.labels(found)}
    return RawTable(
        split=split,
        table=pa.table({column: pa.array(v, pa.string()) for column, v in columns.items()}),
        file=SourceFile("texts", str(root.resolve()), "", rows=len(found)),
        place=lambda i: f"text {paths[i]} of {name}",
        rows=np.arange(len(found), dtype=np.int64),
        told=told,
    )


def _decoded(
    root: Path, name: str, paths: Sequence[str], encoding: str | None
) -> tuple[list[str], tuple[str, ...]]:
    """The texts, and a sentence about those that are not UTF-8."""
    raw = [_bytes_of(root, name, path) for path in paths]
    texts = [_text(data, encoding or "utf-8-sig") for data in raw]
    odd = [i for i, text in enumerate(texts) if text is None]
    if not odd:
        return [text or "" for text in texts], ()
    first = f"{paths[odd[0]]} of {name}"
    if encoding is not None:
        raise DataError(f"{first} is not {encoding}; name another encoding (--encoding).")
    wide = [i for i in odd if raw[i].startswith(_WIDE_MARKS)]
    with TemporaryDirectory(prefix="turnover-") as folder:
        sample = Path(folder) / "texts"
        sample.write_bytes(b"\n".join(raw[i] for i in odd if i not in wide))
        try:
            codec = detect_encoding(sample)[0] if len(wide) < len(odd) else "utf-16"
        except DataError as error:
            raise DataError(
                f"{first} is not UTF-8, and it is not sure what else; name its encoding "
                "(--encoding)."
            ) from error
    for i in odd:
        texts[i] = _text(raw[i], "utf-16" if i in wide else codec)
        if texts[i] is None:
            raise DataError(f"{paths[i]} of {name} is neither UTF-8 nor {codec}; save it again.")
    said = f"{len(odd):,} texts of {name} are not UTF-8, and are read as {codec} ({first})."
    return [text or "" for text in texts], (said,)


def _text(data: bytes, codec: str) -> str | None:
    """The text, None if it is in another encoding."""
    try:
        text = data.decode(codec)
    except UnicodeError:
        return None
    except LookupError as error:
        raise DataError(f"There is no encoding {codec!r}; check --encoding.") from error
    return None if "\0" in text else text


def _bytes_of(root: Path, name: str, path: str) -> bytes:
    file = root / path
    try:
        if not file.resolve().is_relative_to(root.resolve()) or not file.is_file():
            raise DataError(f"{path} of {name} is no file in this folder; remove it.")
        if file.stat().st_size > MOST_BYTES:
            raise DataError(f"{path} of {name} is larger than {MOST_BYTES >> 20} MB.")
        return file.read_bytes()
    except (OSError, RuntimeError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{path} of {name} cannot be read ({why}); remove it.") from error
