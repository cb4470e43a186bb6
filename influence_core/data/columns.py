"""Which column of a table is the label, which the sentence or image, which the id.

What the user named is taken, or refused by name; the rest is found by usual names first, by looks
second. The label is never guessed by its looks. The majority of a column's values decides what it
is; the others are bad rows then, and what was decided in doubt is told.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.budget import short_list
from influence_core.data.content import (
    ContentKind,
    by_name,
    content_kind,
    distinct,
    fills_no_table,
    find_content,
    is_bytes,
    is_text,
    refuse_unread_pictures,
    with_joined,
)
from influence_core.data.dataset import Modality
from influence_core.data.options import ALL_COLUMNS, NO_COLUMN, ReadOptions
from influence_core.data.splitting import (
    flag_split,
    flagged_split,
    known_split,
    unusual_splits,
)
from influence_core.errors import DataError

LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "sentiment", "intent", "topic", "emotion"),
    *("class_name", "label_name", "y"),
)
ID_NAMES = ("id", "uid", "uuid", "guid", "row_id", "instance_id", "example_id")
SPLIT_NAMES = ("split", "splits", "subset", "partition", "data_split", "dataset_split")
LEVELS = ("folder_1", "folder_2")  # of a tree of pictures, where either may be the class
LOOKED_AT = 1000
FEW_VALUES = 50


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
        flags: whether the split column says yes or no of one split, as "is_test" does.
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
    flags: bool = False

    def split_of(self, value: str) -> str | None:
        """The split that a value of the split column names, None if it names none."""
        if self.flags:
            return flag_split(str(self.split), value)
        return known_split(value) or (value if value in self.own_splits else None)

    @property
    def modality(self) -> Modality:
        """ "text", "image" or "table"."""
        if self.content == ALL_COLUMNS:
            return "table"
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
    flags = split is not None and _is_split_flag(table, split)
    if split is None and options.split_column is None:
        split, more = _find_split_flag(table, spoken_for, name)
        flags, told = split is not None, told + more
    if split is not None and flags:
        told = [*told, _flag_told(split)]
    ident, more = _find_id(table, options.id_column)
    told += more
    taken = {split, ident, *spoken_for}
    label = options.label_column or by_name(set(head.column_names) - taken, LABEL_NAMES)
    content = options.content_column
    if content is None:
        content, more = find_content(head, taken | {label}, options.modality)
        if options.features is not None and (content is None or fills_no_table(head, content)):
            content, more = ALL_COLUMNS, []
        told += more
    if content is None:
        for column in head.column_names:
            refuse_unread_pictures(head.column(column), column, name)
        raise DataError(
            f"No column of {name} looks like text or images; name it (--content); its columns are "
            f"{short_list(head.column_names)}."
        )
    if label is None:
        raise _no_label(head, taken | {content}, name)
    if label == content:
        raise DataError(f"Column {label!r} of {name} cannot be both the label and the content.")
    if content == ALL_COLUMNS and options.features is None:
        raise DataError(
            "All columns as a table (--content '*') cannot be encoded here; give features of the "
            "rows, too (--features)."
        )
    kind = "text" if content == ALL_COLUMNS else content_kind(head, content, name)
    group = options.group_column
    return ColumnRoles(label, content, kind, ident, split, group, own, tuple(told), flags)


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
        if _is_split_flag(table, wanted):
            return wanted, (), []
        counts = _counts(table.column(wanted))
        odd = {value: n for value, n in counts.items() if not known_split(value)}
        few = 2 * sum(odd.values()) < sum(counts.values())  # then a rare one is a slip
        own = tuple(v for v, n in odd.items() if not (few and 20 * n < sum(counts.values())))
        told = [f"Column {wanted!r} names {short_list(own)}, which stay splits of their own."]
        return wanted, own, told * bool(own) + _unusual(counts, wanted)
    free = [c for c in table.column_names if c not in taken]
    named = by_name(free, SPLIT_NAMES)
    texts = [c for c in free if is_text(table.schema.field(c).type)]
    few_values = [c for c in texts if distinct(table.column(c).slice(0, LOOKED_AT)) <= FEW_VALUES]
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


def _find_split_flag(
    table: pa.Table, taken: Collection[str | None], name: str
) -> tuple[str | None, list[str]]:
    """The column that says yes or no of one split, and what there is to tell of one that does not.

    Raises:
        DataError: there are several.
    """
    found = [c for c in table.column_names if c not in taken and _is_split_flag(table, c)]
    usual, told = [], []
    for column in found:
        splits = Counter[str | None]()
        for value, n in _counts(table.column(column)).items():
            splits[flag_split(column, value)] += n
        if splits["valid"] > splits["train"]:  # rather that a row is a good one
            told.append(
                f"Column {column!r} is not taken for splits, since it says yes of most rows; if "
                f"these are the validation rows, say so: --split {column}."
            )
        elif len({*splits} - {None}) > 1:
            usual.append(column)
    if len(usual) > 1:
        raise DataError(
            f"The columns {short_list(usual)} of {name} each speak of one split; write one column "
            "split with train, valid and test there, name one of them (--split), or none "
            "(--no-split)."
        )
    return next(iter(usual), None), told


def _is_split_flag(table: pa.Table, column: str) -> bool:
    """Whether it is called like a split, and most of its values say yes or no."""
    kind = table.schema.field(column).type
    if flagged_split(column) is None or pa.types.is_nested(kind) or is_bytes(kind):
        return False
    counts = _counts(table.column(column))
    known = sum(n for value, n in counts.items() if flag_split(column, value))
    return bool(known) and 2 * known >= sum(counts.values())


def _flag_told(column: str) -> str:
    yes, no = flag_split(column, "1"), flag_split(column, "0")
    return f"Column {column!r} names the split: {yes} where it says yes, {no} where it says no."


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
                f"rename one, or say which is which (--splits {split}={usual[0]},test={usual[1]})."
            )
    return unusual_splits(found, f"In column {column!r},")


def _find_id(table: pa.Table, wanted: str | None) -> tuple[str | None, list[str]]:
    """The column of ids; one whose values mostly repeat is none."""
    if wanted is not None:
        return wanted or None, []
    column = by_name(table.column_names, ID_NAMES)
    if column is None:
        return None, []
    values = table.column(column)
    if pa.types.is_nested(values.type) or 2 * distinct(values) >= len(values) - values.null_count:
        return column, []
    return None, [
        f"Column {column!r} is not taken for ids, since most of its values stand more than once; "
        "the content tells rows apart."
    ]


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
    few = [c for c in free if 2 <= distinct(head.column(c)) <= min(FEW_VALUES, head.num_rows // 2)]
    hint = f", perhaps {few[0]!r}" if len(few) == 1 else ""
    return DataError(
        f"{name} has no column named like a label ({', '.join(LABEL_NAMES[:4])}, ...); name the "
        f"label column (--label){hint}; its columns are {short_list(head.column_names)}."
    )


def _usual_values(column: pa.ChunkedArray) -> list[str]:
    return sorted(value for value in pc.unique(column).to_pylist() if value)


def _is_flag(column: pa.ChunkedArray) -> bool:
    """Whether it says yes and no, and nothing else."""
    if distinct(column) != 2:
        return False
    found = {str(value).strip().lower() for value in pc.unique(column).to_pylist()}
    return found in ({"0", "1"}, {"true", "false"}, {"yes", "no"}, {"0.0", "1.0"})
