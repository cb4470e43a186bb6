"""Which column of a table is the label, which the sentence or image, which the id.

What the user named is taken, or refused by name; the rest is found by usual names first, by looks
second. The label is never guessed by its looks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.budget import short_list
from influence_core.data.dataset import Modality
from influence_core.data.images import is_image_name
from influence_core.data.options import NO_COLUMN, ReadOptions
from influence_core.errors import DataError

LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "emotion"),
    *("class_name", "label_name", "y"),
)
TEXT_NAMES = (
    *("text", "sentence", "content", "review", "comment", "message", "body", "document"),
    *("question", "utterance", "tweet", "description", "title", "snippet"),
)
IMAGE_NAMES = ("image", "img", "picture", "photo", "image_path", "path", "file_name", "file")
ID_NAMES = ("id", "uid", "uuid", "guid", "row_id", "instance_id", "example_id")
SPLIT_NAMES = ("split", "subset", "partition")
ALIASES = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "dev": "valid",
    "test": "test", "testing": "test",
}  # fmt: skip
LOOKED_AT = 1000
FEW_VALUES = 50

ContentKind = Literal["text", "image", "image_path"]


@dataclass(frozen=True)
class ColumnRoles:
    """The part that each column plays.

    Attributes:
        label: name of the label column.
        content: name of the sentence or image column.
        kind: how the content column holds it: text, encoded images, or paths of image files.
        id: name of the id column, or None.
        split: name of the column of split names, or None.
        group: name of the column whose values are kept on one side of a cut, or None.
    """

    label: str
    content: str
    kind: ContentKind
    id: str | None = None
    split: str | None = None
    group: str | None = None

    @property
    def modality(self) -> Modality:
        """ "text" or "image"."""
        return "text" if self.kind == "text" else "image"


def detect_columns(table: pa.Table, options: ReadOptions, name: str) -> ColumnRoles:
    """Find the roles of a table's columns.

    Args:
        table: source columns; only the first 1,000 rows are looked at.
        options: what the user named.
        name: of the source, for errors.

    Raises:
        DataError: a named column is missing, or a needed one cannot be told.
    """
    head = with_joined(table.slice(0, LOOKED_AT), options.content_column)
    named = {
        "label": options.label_column,
        "content": options.content_column,
        "id": options.id_column,
        "split": options.split_column,
        "group": options.group_column,
    }
    for role, column in named.items():
        if column not in (None, NO_COLUMN) and column not in head.column_names:
            raise DataError(
                f"{name} has no column {column!r} for the {role}; its columns are "
                f"{short_list(head.column_names)}."
            )
    split = _optional(options.split_column, _detect_split(head))
    ident = _optional(options.id_column, _by_name(head.column_names, ID_NAMES))
    taken = {split, ident, options.label_column, options.content_column}
    label = options.label_column or _by_name(set(head.column_names) - taken, LABEL_NAMES)
    content = options.content_column or _detect_content(head, taken | {label}, options.modality)
    if content is None:
        raise DataError(
            f"No column of {name} looks like text or images; name it; its columns are "
            f"{short_list(head.column_names)}."
        )
    if label is None:
        raise _no_label(head, taken | {content}, name)
    if label == content:
        raise DataError(f"Column {label!r} of {name} cannot be both the label and the content.")
    kind = _content_kind(head, content, name)
    return ColumnRoles(label, content, kind, ident, split, options.group_column)


def with_joined(table: pa.Table, content: str | None) -> pa.Table:
    """The table with several texts as one more column if "a,b" names columns and is none itself.

    The texts of a row stand one below the other; one that is missing is left out.
    """
    parts = [] if content is None else [part.strip() for part in content.split(",")]
    if len(parts) < 2 or content in table.column_names or not set(parts) <= {*table.column_names}:
        return table
    texts = [table.column(part).cast(pa.string()) for part in parts]
    joined = pc.binary_join_element_wise(*texts, "\n", null_handling="skip")
    return table.append_column(content, joined)


def known_split(value: str) -> str | None:
    """ "train", "valid" or "test" for the usual spellings of these, else None."""
    return ALIASES.get(value.strip().lower())


def _optional(wanted: str | None, found: str | None) -> str | None:
    """A role that may stay empty: told not to use one, told which, or found."""
    if wanted == NO_COLUMN:
        return None
    return wanted or found


def _by_name(columns: Iterable[str], usual: tuple[str, ...]) -> str | None:
    lower = {column.strip().lower(): column for column in sorted(columns)}
    return next((lower[name] for name in usual if name in lower), None)


def _detect_split(head: pa.Table) -> str | None:
    column = _by_name(head.column_names, SPLIT_NAMES)
    if column is None or not _is_text(head.schema.field(column).type):
        return None
    values = [v for v in pc.unique(head.column(column)).to_pylist() if v is not None]
    return column if values and all(known_split(value) for value in values) else None


def _detect_content(
    head: pa.Table, taken: set[str | None], modality: Modality | None
) -> str | None:
    free = [column for column in head.column_names if column not in taken]
    images = [column for column in free if _image_kind(head, column) is not None]
    if images and modality != "text":
        return _by_name(images, IMAGE_NAMES) or images[0]
    texts = [c for c in free if _is_text(head.schema.field(c).type) and c not in images]
    if modality == "image" or not texts:
        return None
    return _by_name(texts, TEXT_NAMES) or max(texts, key=lambda c: _mean_length(head.column(c)))


def _no_label(head: pa.Table, taken: set[str | None], name: str) -> DataError:
    """A wrong guess would be trained on in silence, so none is made; but hints are given."""
    free = [column for column in head.column_names if column not in taken]
    few = [c for c in free if 2 <= _distinct(head.column(c)) <= min(FEW_VALUES, head.num_rows // 2)]
    hint = f", perhaps {few[0]!r}" if len(few) == 1 else ""
    return DataError(
        f"{name} has no column named like a label ({', '.join(LABEL_NAMES[:4])}, ...); name the "
        f"label column{hint}; its columns are {short_list(head.column_names)}."
    )


def _content_kind(head: pa.Table, column: str, name: str) -> ContentKind:
    kind = _image_kind(head, column)
    if kind is not None:
        return kind
    if _is_text(head.schema.field(column).type):
        return "text"
    raise DataError(
        f"Column {column!r} of {name} holds {head.schema.field(column).type}, which is neither "
        "text nor images; name another column."
    )


def _image_kind(head: pa.Table, column: str) -> Literal["image", "image_path"] | None:
    kind = head.schema.field(column).type
    # `datasets` writes pictures as {"bytes", "path"}.
    slot = kind.get_field_index("bytes") if pa.types.is_struct(kind) else -1
    held = kind if slot < 0 else kind.field(slot).type
    if pa.types.is_binary(held) or pa.types.is_large_binary(held):
        return "image"
    if slot >= 0 and pa.types.is_null(held):
        return "image"  # all in files, which are not followed; each row says so
    if _is_text(kind):
        values = [v for v in head.column(column).slice(0, 50).to_pylist() if v]
        if values and all(is_image_name(value) for value in values):
            return "image_path"
    return None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _mean_length(column: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.utf8_length(column)).as_py() or 0.0)


def _distinct(column: pa.ChunkedArray) -> int:
    try:
        return int(pc.count_distinct(column).as_py())
    except pa.ArrowNotImplementedError:
        return 0
