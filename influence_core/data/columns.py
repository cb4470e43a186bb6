"""Which column of a table is the label, which the sentence or image, which the id.

What the user named is taken, or refused by name; the rest is found by usual names first, by looks
second. The label is never guessed by its looks. The majority of a column's values decides what it
is; the others are bad rows then, and what was decided in doubt is told.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.budget import short_list
from influence_core.data.dataset import Modality
from influence_core.data.images import is_image_name
from influence_core.data.options import NO_COLUMN, ReadOptions
from influence_core.data.splitting import known_split, unusual_splits
from influence_core.errors import DataError

LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "emotion"),
    *("class_name", "label_name", "y"),
)
TEXT_NAMES = (
    *("text", "sentence", "content", "review", "comment", "message", "body", "document"),
    *("utterance", "tweet"),
)
IMAGE_NAMES = ("image", "img", "picture", "photo", "image_path", "path", "file_name", "file")
ID_NAMES = ("id", "uid", "uuid", "guid", "row_id", "instance_id", "example_id")
SPLIT_NAMES = ("split", "splits", "subset", "partition", "data_split", "dataset_split")
LEVELS = ("folder_1", "folder_2")  # of a tree of pictures, where either may be the class
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
        own_splits: values of the split column that are no usual names, but splits of their own.
        told: sentences about what was decided in doubt.
    """

    label: str
    content: str
    kind: ContentKind
    id: str | None = None
    split: str | None = None
    group: str | None = None
    own_splits: tuple[str, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def modality(self) -> Modality:
        """ "text" or "image"."""
        return "text" if self.kind == "text" else "image"


def detect_columns(table: pa.Table, options: ReadOptions, name: str) -> ColumnRoles:
    """Find the roles of a table's columns.

    Args:
        table: source columns; splits and ids are looked for in all rows, else in the first 1,000.
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
    spoken_for = set(named.values())
    split, own, told = _find_split(table, spoken_for, options.split_column)
    ident, more = _find_id(table, options.id_column)
    told += more
    taken = {split, ident, *spoken_for}
    label = options.label_column or _by_name(set(head.column_names) - taken, LABEL_NAMES)
    content = options.content_column
    if content is None:
        content, more = _find_content(head, taken | {label}, options.modality)
        told += more
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
    group = options.group_column
    return ColumnRoles(label, content, kind, ident, split, group, own, tuple(told))


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


def _by_name(columns: Iterable[str], usual: tuple[str, ...]) -> str | None:
    lower = {column.strip().lower(): column for column in sorted(columns)}
    return next((lower[name] for name in usual if name in lower), None)


def _find_split(
    table: pa.Table, taken: Collection[str | None], wanted: str | None
) -> tuple[str | None, tuple[str, ...], list[str]]:
    """The column of splits, values of it that are splits of their own, and what there is to tell.

    A column of the usual name is one if most of its rows name a split; any other one of few values
    only if nearly all do, and not of one split only.
    """
    if wanted is not None:
        if wanted == NO_COLUMN:
            return None, (), []
        counts = _counts(table.column(wanted))
        odd = {value: n for value, n in counts.items() if not known_split(value)}
        few = 2 * sum(odd.values()) < sum(counts.values())  # then a rare one is a slip
        own = tuple(v for v, n in odd.items() if not (few and 20 * n < sum(counts.values())))
        told = [f"Column {wanted!r} names {short_list(own)}, which stay splits of their own."]
        return wanted, own, told * bool(own) + _unusual(counts, wanted)
    free = [c for c in table.column_names if c not in taken]
    named = _by_name(free, SPLIT_NAMES)
    texts = [c for c in free if _is_text(table.schema.field(c).type)]
    few_values = [c for c in texts if _distinct(table.column(c).slice(0, LOOKED_AT)) <= FEW_VALUES]
    for column in sorted(few_values, key=lambda c: c != named):
        counts = _counts(table.column(column))
        known = {v: n for v, n in counts.items() if known_split(v)}
        rows, splits = sum(known.values()), {known_split(value) for value in known}
        if (column == named and rows and 2 * rows >= sum(counts.values())) or (
            10 * rows >= 9 * table.num_rows and splits > {"train"}
        ):
            return column, (), _unusual(counts, column)
    if named is None:
        return None, (), []
    return (
        None,
        (),
        [
            f"Column {named!r} is not taken for splits, since most of its values name none; write "
            "train, valid and test there, or name another column with --split."
        ],
    )


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """How often each value that is not blank stands there."""
    texts = pc.value_counts(column.cast(pa.string())).to_pylist()
    return {t["values"]: t["counts"] for t in texts if t["values"] and t["values"].strip()}


def _unusual(counts: Mapping[str, int], column: str) -> list[str]:
    """What to tell of spellings.

    Raises:
        DataError: two different words for one split are both usual in this column.
    """
    found = {value: split for value in counts if (split := known_split(value))}
    words: dict[str, Counter[str]] = {}
    for value, split in found.items():
        words.setdefault(split, Counter())[value.strip().casefold()] += counts[value]
    for split, named in words.items():
        usual = [word for word, n in named.items() if 20 * n >= named.total()]
        if len(usual) > 1:
            raise DataError(
                f"Two parts of column {column!r}, {short_list(usual)}, are both called {split!r}; "
                "rename one."
            )
    return unusual_splits(found, f"In column {column!r},")


def _find_id(table: pa.Table, wanted: str | None) -> tuple[str | None, list[str]]:
    """The column of ids; one whose values mostly repeat is none."""
    if wanted is not None:
        return wanted or None, []
    column = _by_name(table.column_names, ID_NAMES)
    if column is None:
        return None, []
    values = table.column(column)
    if pa.types.is_nested(values.type) or 2 * _distinct(values) >= len(values) - values.null_count:
        return column, []
    return None, [
        f"Column {column!r} is not taken for ids, since most of its values stand more than once; "
        "the content tells rows apart."
    ]


def _find_content(
    head: pa.Table, taken: set[str | None], modality: Modality | None
) -> tuple[str | None, list[str]]:
    """The column to learn from, and what there is to tell of others that might be meant."""
    free = [column for column in head.column_names if column not in taken]
    images = [column for column in free if _image_kind(head, column) is not None]
    if images and modality != "text":
        chosen = _by_name(images, IMAGE_NAMES) or images[0]
        others = [column for column in images if column != chosen]
        told = [f"Column {chosen!r} is read; {short_list(others)} hold pictures, too, and are not."]
        return chosen, told * bool(others)
    texts = [c for c in free if _is_text(head.schema.field(c).type) and c not in images]
    if modality == "image" or not texts:
        return None, []
    urls = [c for c in texts if _holds_urls(head.column(c))]
    words = {c: _words(head.column(c)) for c in texts if c not in urls}
    if not words or (max(words.values()) < 2 and any(_pictures_by_url(head, c) for c in urls)):
        return max(urls, key=lambda c: _pictures_by_url(head, c)), []
    chosen = _by_name(words, TEXT_NAMES) or max(
        words, key=lambda c: (words[c], _mean_length(head.column(c)))
    )
    told = []
    rivals = [c for c, n in words.items() if c != chosen and n >= max(3.0, words[chosen] / 3)]
    if rivals:
        told.append(
            f"Column {chosen!r} is read; {short_list(rivals)} hold texts, too, and are not: "
            f"--content {','.join([chosen, *rivals[:2]])} joins them."
        )
    if urls:
        told.append(f"{short_list(urls)} hold URLs, which are not fetched and not read.")
    nested = _by_name({c for c in free if c not in texts}, TEXT_NAMES)
    if nested is not None:
        kind = head.schema.field(nested).type
        told.append(f"Column {nested!r} holds {kind} and is not read; write it as text.")
    return chosen, told


def _no_label(head: pa.Table, taken: set[str | None], name: str) -> DataError:
    """A wrong guess would be trained on in silence, so none is made; but hints are given."""
    if set(LEVELS) <= set(head.column_names):
        outer, inner = (_usual_values(head.column(column)) for column in LEVELS)
        return DataError(
            f"The folders of {name} lie one level deeper than classes do: {short_list(outer, 4)} "
            f"hold {short_list(inner, 4)}. Choose which are the classes, --label {LEVELS[0]} or "
            f"--label {LEVELS[1]}, or name a folder of one kind instead, such as {name}/{outer[0]}."
        )
    free = [column for column in head.column_names if column not in taken]
    flags = [c for c in free if _is_flag(head.column(c))]
    if len(flags) > 1:
        return DataError(
            f"{name} has no label column, but {short_list(flags)} look like one column a label. "
            "Several labels a row are not supported: make one project a label, such as with "
            f"--label {flags[0]}."
        )
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
        if _holds_urls(head.column(column)) and _pictures_by_url(head, column):
            raise DataError(
                f"Column {column!r} of {name} holds URLs of pictures, and URLs are not fetched; "
                "download them first, write their file names there, and name their folder with "
                "--image-root."
            )
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
        names = [value.strip() for value in head.column(column).to_pylist() if value]
        found = sum(map(is_image_name, names))
        if names and 2 * found >= len(names) and not _holds_urls(head.column(column)):
            return "image_path"
    return None


def _is_text(kind: pa.DataType) -> bool:
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


def _usual_values(column: pa.ChunkedArray) -> list[str]:
    return sorted(value for value in pc.unique(column).to_pylist() if value)


def _mean_length(column: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.utf8_length(column.cast(pa.string()))).as_py() or 0.0)


def _is_flag(column: pa.ChunkedArray) -> bool:
    """Whether it says yes and no, and nothing else."""
    if _distinct(column) != 2:
        return False
    found = {str(value).strip().lower() for value in pc.unique(column).to_pylist()}
    return found in ({"0", "1"}, {"true", "false"}, {"yes", "no"}, {"0.0", "1.0"})


def _distinct(column: pa.ChunkedArray) -> int:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    try:
        return int(pc.count_distinct(column).as_py())
    except pa.ArrowNotImplementedError:
        return 0
