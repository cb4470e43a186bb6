"""Which column is learned from: pictures, paths of them, or the text with the words in it.

`data.columns` asks. Columns are judged by their first rows, by the majority of their values.
"""

import os
import re
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.budget import short_list
from influence_core.data.dataset import Modality
from influence_core.data.images import from_base64, is_image_name
from influence_core.data.options import ALL_COLUMNS
from influence_core.errors import DataError

TEXT_NAMES = (
    *("text", "sentence", "content", "review", "comment", "message", "body", "document"),
    *("utterance", "tweet"),
)
IMAGE_NAMES = ("image", "img", "picture", "photo", "image_path", "path", "file_name", "file")
WORDS_OF_A_TEXT = 4.0  # on average, of a column that is no cell of a table
_NAMES_TRIED = 20
_FOLDERS = 20
_LOOKED_AT = 2_000  # entries of a folder
_ENDINGS = (".jpg", ".png", ".jpeg", ".JPG", ".tif", ".tiff", ".bmp", ".webp", ".gif")
ContentKind = Literal["text", "image", "image_path"]


def find_content(
    head: pa.Table, taken: set[str | None], modality: Modality | None
) -> tuple[str | None, list[str]]:
    """The column to learn from, and what there is to tell of others that might be meant."""
    free = [column for column in head.column_names if column not in taken]
    images = [column for column in free if _image_kind(head, column) is not None]
    if images and modality != "text":
        chosen = by_name(images, IMAGE_NAMES) or images[0]
        others = [column for column in images if column != chosen]
        told = [f"Column {chosen!r} is read; {short_list(others)} hold pictures, too, and are not."]
        return chosen, told * bool(others)
    texts = [c for c in free if is_text(head.schema.field(c).type) and c not in images]
    if modality == "image" or not texts:
        return None, []
    urls = [c for c in texts if _holds_urls(head.column(c))]
    words = {c: _words(head.column(c)) for c in texts if c not in urls}
    if not words or (max(words.values()) < 2 and any(_pictures_by_url(head, c) for c in urls)):
        return max(urls, key=lambda c: _pictures_by_url(head, c)), []
    most = max(words.values())
    # Of columns of like weight the first; the mean length tells words without blanks apart.
    heavy = [c for c in words if words[c] >= 0.8 * most]
    first = max(heavy, key=lambda c: _mean_length(head.column(c))) if most < 2 else heavy[0]
    chosen = by_name(words, TEXT_NAMES) or first
    told = _doubts(head.column(chosen), chosen)
    rivals = [c for c, n in words.items() if c != chosen and n >= max(3.0, words[chosen] / 3)]
    if rivals:
        joined = ",".join(c for c in words if c in (chosen, *rivals[:2]))
        told.append(
            f"Column {chosen!r} is read; {short_list(rivals)} hold texts, too, and are not: "
            f"--content {joined} joins them."
        )
    if urls:
        told.append(f"{short_list(urls)} hold URLs, which are not fetched and not read.")
    nested = by_name({c for c in free if c not in texts}, TEXT_NAMES)
    if nested is not None:
        kind = head.schema.field(nested).type
        told.append(f"Column {nested!r} holds {kind} and is not read; write it as text.")
    return chosen, told


def _doubts(column: pa.ChunkedArray, name: str) -> list[str]:
    """What to tell of a column of text that may have been meant for pictures."""
    texts = [text for text in column.to_pylist() if text]
    found = sum(map(is_image_name, texts))
    if 20 * found > len(texts):
        return [f"{found:,} of {len(texts):,} values of {name!r} look like file names of pictures."]
    if _words(column) < 2 and re.search("image|img|pic|photo|file", name.lower()):
        return [f"Column {name!r} is read as text; file names of pictures need their .png or .jpg."]
    return []


def refuse_bare_names(head: pa.Table, column: str, root: Path | None, named: bool) -> None:
    """Refuse to read as texts what are names of pictures without their endings.

    Args:
        head: first rows of a source.
        column: the content, read as text.
        root: the folder that paths would be relative to; it and the folders in it are looked at.
        named: whether the user has named that folder, so pictures are surely meant.

    Raises:
        DataError: most values are such names, or `named`.
    """
    single = column in head.column_names  # else made of several
    texts = head.column(column).cast(pa.string()).drop_null().to_pylist() if single else []
    tried = [text for text in texts if text][:_NAMES_TRIED]
    folders = _folders_of(root)
    found = [picture for text in tried if (picture := _picture_called(text, folders)) is not None]
    if 2 * len(found) > len(tried):
        folder = "" if named else f", and name their folder (--image-root {found[0].parent})"
        raise DataError(
            f"Column {column!r} names pictures without their ending, such as {found[0].stem!r} for "
            f"{found[0].name}; write {found[0].suffix} behind each{folder}."
        )
    if named:
        raise DataError(
            f"Column {column!r} holds texts and no file names of pictures, such as a.png, so there "
            "is nothing to find below --image-root; name another column (--content), or leave "
            "--image-root out."
        )


def _folders_of(root: Path | None) -> list[Path]:
    """A folder and some of those in it, as far as they can be looked at."""
    if root is None:
        return []
    with suppress(OSError), os.scandir(root) as entries:
        inner = [Path(entry.path) for entry in islice(entries, _LOOKED_AT) if entry.is_dir()]
        return [root, *inner[:_FOLDERS]]
    return []


def _picture_called(stem: str, folders: Sequence[Path]) -> Path | None:
    """A picture of this name in one of the folders."""
    if {*"/\\\0"} & {*stem}:
        return None
    with suppress(OSError, ValueError):  # a text is often no name that a file can have
        tried = (folder / f"{stem}{end}" for folder in folders for end in _ENDINGS)
        return next((path for path in tried if path.is_file()), None)
    return None


def with_joined(
    table: pa.Table, content: str | None, roles: Collection[str | None] = (), name: str = ""
) -> pa.Table:
    """The table with a column more if `content` is none of its own but made of several.

    "a,b" names columns of texts: those of a row stand one below the other; one that is missing is
    left out. "*" stands for all but those of `roles`, each a line "name: value"; where there are
    no others, it is the number of the row in the source `name`.
    """
    if content == ALL_COLUMNS:
        return table.append_column(content, _told_rows(table, roles, name))
    parts = [] if content is None else [part.strip() for part in content.split(",")]
    if len(parts) < 2 or content in table.column_names or not set(parts) <= {*table.column_names}:
        return table
    texts = [table.column(part).cast(pa.string()) for part in parts]
    joined = pc.binary_join_element_wise(*texts, "\n", null_handling="skip")
    return table.append_column(content, joined)


def _told_rows(table: pa.Table, roles: Collection[str | None], name: str) -> pa.ChunkedArray:
    """Each row as lines "name: value"; lists, pictures and the like are left out."""
    free = [n for n in table.column_names if n not in roles and _is_plain(table.schema.field(n))]
    if not free:
        return pa.chunked_array([pa.array(f"row {i + 1} of {name}" for i in range(len(table)))])
    lines = []
    for column in free:
        values = pc.fill_null(table.column(column).cast(pa.string()), "")
        one_line = pc.replace_substring_regex(values, r"\s*[\r\n]+\s*", " ")
        lines.append(pc.binary_join_element_wise(f"{column}: ", one_line, ""))
    told = lines[0] if len(lines) == 1 else pc.binary_join_element_wise(*lines, "\n")
    return told if isinstance(told, pa.ChunkedArray) else pa.chunked_array([told])


def _is_plain(field: pa.Field) -> bool:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    return not (pa.types.is_nested(kind) or is_bytes(kind))


def fills_no_table(head: pa.Table, column: str) -> bool:
    """Whether a column that was found to be content is rather one of the columns of a table.

    It is where nothing but its being a text speaks for it: no usual name, and hardly any words.
    """
    if by_name([column], (*TEXT_NAMES, *IMAGE_NAMES)) or _image_kind(head, column) is not None:
        return False
    return _words(head.column(column)) < WORDS_OF_A_TEXT


def content_kind(head: pa.Table, column: str, name: str) -> ContentKind:
    """What a column holds.

    Raises:
        DataError: neither text nor pictures, or pictures that would have to be fetched.
    """
    refuse_unread_pictures(head.column(column), column, name)
    kind = _image_kind(head, column)
    if kind is not None:
        return kind
    if is_text(head.schema.field(column).type):
        if _holds_urls(head.column(column)) and _pictures_by_url(head, column):
            raise DataError(
                f"Column {column!r} of {name} holds URLs of pictures, and URLs are not fetched; "
                "download them first, write their file names there, and name their folder with "
                "--image-root."
            )
        return "text"
    raise DataError(
        f"Column {column!r} of {name} holds {head.schema.field(column).type}, which is neither "
        "text nor images; name another column (--content)."
    )


def _image_kind(head: pa.Table, column: str) -> Literal["image", "image_path"] | None:
    kind = head.schema.field(column).type
    # `datasets` writes pictures as {"bytes", "path"}.
    slot = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
    held = kind if slot < 0 else kind.field(slot).type
    if is_bytes(held) or (slot >= 0 and pa.types.is_null(held)):
        return "image"
    if not is_text(held):
        return None
    values = head.column(column) if slot < 0 else pc.struct_field(head.column(column), slot)
    texts = [value.strip() for value in values.to_pylist() if value]
    if texts and 2 * sum(from_base64(text) is not None for text in texts) >= len(texts):
        return "image"
    found = sum(map(is_image_name, texts)) if slot < 0 else 0
    if texts and 2 * found >= len(texts) and not _holds_urls(head.column(column)):
        return "image_path"
    return None


def refuse_unread_pictures(column: pa.ChunkedArray, name: str, source: str) -> None:
    """Say what to do with pictures that are there in a way that nobody reads.

    Raises:
        DataError: it holds such.
    """
    kind, what = column.type, ""
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        held = pc.struct_field(column, "bytes")
        if len(column) and held.null_count == len(held):
            what = "names of pictures without the pictures themselves"
    elif is_text(kind):
        texts = [text for text in column.to_pylist() if text]
        if texts and 2 * sum(map(_is_printed, texts)) >= len(texts):
            what = "pictures as Python prints bytes"
    elif pa.types.is_list(kind) and re.search("image|img|pic|photo|pixel", name.lower()):
        what = f"{kind}, lists of numbers"
    if what:
        raise DataError(
            f"Column {name!r} of {source} holds {what}, which is not read; save the pictures as "
            "files and write their names there, or write their bytes into Parquet, or as base64."
        )


def _is_printed(text: str) -> bool:
    return text.startswith(("b'\\x89PNG", "b'\\xff\\xd8", 'b"\\x89PNG', 'b"\\xff\\xd8'))


def is_bytes(kind: pa.DataType) -> bool:
    """Whether values are bytes."""
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def is_text(kind: pa.DataType) -> bool:
    """Whether values are texts, also such as are written once and named by each row."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _holds_urls(column: pa.ChunkedArray) -> bool:
    texts = column.cast(pa.string()).drop_null()
    found = pc.sum(
        pc.match_substring_regex(texts, r"^\s*[a-zA-Z][a-zA-Z0-9+.-]+://\S+\s*$")
    ).as_py()
    return bool(found) and 2 * found >= len(texts)


def _pictures_by_url(head: pa.Table, column: str) -> bool:
    """Whether URLs are of pictures, by their ends or by the name of the column."""
    if re.search("image|img|pic|photo|thumb", column.lower()):
        return True
    places = [urlsplit(v.strip()).path for v in head.column(column).to_pylist() if v]
    return 2 * sum(map(is_image_name, places)) > len(places)


def _words(column: pa.ChunkedArray) -> float:
    """Words of a row on average; scripts without blanks have about one in two letters."""
    texts = column.cast(pa.string())
    words = pc.mean(pc.count_substring_regex(texts, r"\S*\pL\S*")).as_py() or 0.0
    dense = pc.count_substring_regex(texts, r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Khmer}]")
    return float(words + (pc.mean(dense).as_py() or 0.0) / 2)


def by_name(columns: Iterable[str], usual: tuple[str, ...]) -> str | None:
    """The column with the first of these names, in any case."""
    lower = {column.strip().lower(): column for column in sorted(columns)}
    return next((lower[name] for name in usual if name in lower), None)


def _mean_length(column: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.utf8_length(column.cast(pa.string()))).as_py() or 0.0)


def distinct(column: pa.ChunkedArray) -> int:
    """How many different values there are; 0 if they cannot be counted."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return int(pc.count_distinct(column).as_py())
    except pa.ArrowNotImplementedError:
        return 0
