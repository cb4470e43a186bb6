"""A data set in memory: splits of rows with a key, a label, and a sentence or an image.

Every reader ends here (`build_dataset`), every later stage starts here. Rows are Arrow columns,
memory-mapped where the project is large.
Labels are integers into `classes`; -1 means that the row has no label. Columns of the source that
the tool does not need itself (`planted`, `gold`, ...) ride along unchanged and are read by nothing
in training or scoring.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from influence_core.data.images import MAX_BYTES
from influence_core.data.keys import Keys, to_hex
from influence_core.data.source import SourceInfo
from influence_core.disk.fingerprint import of_parts
from influence_core.errors import DataError

Modality = Literal["image", "text", "table"]
Positions = Sequence[int] | npt.NDArray[np.integer[Any]]
NO_LABEL = -1
# One and several of what a data set holds, in sentences for people.
CONTENT_WORDS: Mapping[str, tuple[str, str]] = {
    "text": ("a sentence", "sentences"),
    "image": ("an image", "images"),
    "table": ("a row of a table", "rows of a table"),
}
# Columns that this package writes; a source column of the same name is kept as `source_<name>`.
CORE_COLUMNS = ("key", "id", "label", "content_hash", "row")
CONTENT_COLUMNS = ("text", "image", "image_path")


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split, in source order.

    Attributes:
        name: "train", "valid", "test", or another name such as "electronics_valid".
        table: columns `key` uint64, `id` string, `label` int64, `content_hash` uint64, `row` int64
            (zero-based record number in the source), one of `text`, `image` (encoded bytes) or
            `image_path` (relative to `image_root`), then the source's other columns.
        image_root: folder of the pictures of an `image_path` table, else None.
    """

    name: str
    table: pa.Table
    image_root: Path | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @cached_property
    def keys(self) -> Keys:
        """Row keys, uint64 (N,), read-only."""
        return self._numbers("key")

    @cached_property
    def labels(self) -> npt.NDArray[np.int64]:
        """Class numbers, int64 (N,), read-only; -1 where there is none."""
        return self._numbers("label")

    @cached_property
    def content_hashes(self) -> Keys:
        """Hash of every row's content, uint64 (N,), read-only; equal for exact duplicates."""
        return self._numbers("content_hash")

    @cached_property
    def rows(self) -> npt.NDArray[np.int64]:
        """Zero-based record number of every row in its source file, int64 (N,), read-only."""
        return self._numbers("row")

    @cached_property
    def ids(self) -> list[str]:
        """The source's ids as text, or the row's number in the source, from 1."""
        return list(self._column("id").to_pylist())

    @property
    def content_column(self) -> str:
        """Which of `text`, `image`, `image_path` this table has."""
        return next(name for name in CONTENT_COLUMNS if name in self.table.column_names)

    @property
    def extra_columns(self) -> list[str]:
        """Names of the source's columns that ride along."""
        own = {*CORE_COLUMNS, self.content_column}
        return [name for name in self.table.column_names if name not in own]

    def texts(self, positions: Positions | None = None) -> list[str]:
        """Sentences at these positions (all of them if None).

        Raises:
            DataError: this is a split of images.
        """
        if self.content_column != "text":
            raise DataError(f"Split {self.name!r} holds images, not text; read image_bytes.")
        return self._take("text", positions)

    def image_bytes(self, position: int) -> bytes:
        """Encoded PNG, JPEG or WebP bytes of one image.

        Raises:
            DataError: this is a split of text, or the file is gone or outside `image_root`.
        """
        if self.content_column == "text":
            raise DataError(f"Split {self.name!r} holds text, not images; read texts.")
        value = self._column(self.content_column)[int(position)].as_py()
        return self._read_image(value) if self.content_column == "image_path" else value

    def items(self, positions: Positions | None = None) -> list[str] | list[bytes]:
        """What an encoder encodes at these positions (all if None): sentences, or image bytes."""
        if self.content_column == "text":
            return self.texts(positions)
        chosen = range(len(self)) if positions is None else positions
        return [self.image_bytes(int(i)) for i in chosen]

    def positions_of(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Positions of these keys, int64, in their order.

        Raises:
            DataError: a key belongs to no row of this split.
        """
        order, ranked = self._key_order
        wanted = np.asarray(keys, dtype=np.uint64)
        slots = np.searchsorted(ranked, wanted)
        known = slots < ranked.size
        known[known] = ranked[slots[known]] == wanted[known]
        if not known.all():
            raise DataError(
                f"Key {to_hex(wanted[~known][0])} is not in split {self.name!r}; "
                "it belongs to another data set or split."
            )
        return order[slots]

    def position(self, key: int) -> int:
        """Position of one key.

        Raises:
            DataError: it belongs to no row of this split.
        """
        if not 0 <= key < 2**64:
            raise DataError(f"{key} is no key; a key has 64 bits.")
        return int(self.positions_of(np.array([key], dtype=np.uint64))[0])

    def extra(self, name: str) -> npt.NDArray[Any]:
        """Another column of the source, (N,); its nulls become None or NaN.

        Raises:
            DataError: there is no such column.
        """
        if name not in self.table.column_names:
            raise DataError(
                f"Split {self.name!r} has no column {name!r}; it has {self.table.column_names}."
            )
        return self._column(name).to_pandas().to_numpy()

    @cached_property
    def _key_order(self) -> tuple[npt.NDArray[np.int64], Keys]:
        order = np.argsort(self.keys, kind="stable")
        return order, self.keys[order]

    def _column(self, name: str) -> Any:
        return self.table.column(name)

    def _numbers(self, name: str) -> npt.NDArray[Any]:
        values = self._column(name).to_numpy()
        values.flags.writeable = False
        return values

    def _take(self, name: str, positions: Positions | None) -> list[Any]:
        column = self._column(name)
        if positions is None:
            return list(column.to_pylist())
        return list(column.take(pa.array(np.asarray(positions, dtype=np.int64))).to_pylist())

    def _read_image(self, relative: str) -> bytes:
        if self.image_root is None:
            raise DataError(f"Split {self.name!r} names image files but has no image folder.")
        try:
            path = (self.image_root / relative).resolve()
            if not path.is_relative_to(self.image_root.resolve()):
                raise DataError(f"Image path {relative!r} leads out of its folder and is refused.")
            if path.exists() and not path.is_file():
                # Reading a pipe would wait for ever.
                raise DataError(f"Image path {relative!r} is no file; remove it.")
            if path.stat().st_size > MAX_BYTES:
                raise DataError(
                    f"Image {relative!r} is larger than {MAX_BYTES >> 20} MB; save it smaller."
                )
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:  # also a NUL, or links in a circle
            why = getattr(error, "strerror", None) or str(error)
            raise DataError(
                f"Image {relative!r} cannot be read from {self.image_root} ({why}); "
                "put the folder back, or import the data again."
            ) from error


def containing(split: Split, text: str) -> npt.NDArray[np.bool_]:
    """Which rows hold this text in any case: in the sentence, or in the id where rows are images.

    The text is taken letter by letter; no character of it has a special meaning. Spaces around it
    do not count, and nothing but spaces is in every row.

    Returns:
        (N,) bool.
    """
    wanted = text.strip()
    if not wanted:
        return np.ones(len(split), dtype=bool)
    column = "text" if split.content_column == "text" else "id"
    found = pc.match_substring(split.table.column(column), wanted, ignore_case=True)
    mask: npt.NDArray[np.bool_] = found.fill_null(False).to_numpy()
    return mask


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits that share classes and modality.

    Attributes:
        splits: by name; "train" always, usually "valid" and "test", possibly more.
        classes: class names in label order.
        modality: "image", "text", or "table", whose rows are told by a text of all columns.
        fingerprint: sha256 hex over classes, keys, labels and contents in their order.
        source: where the rows came from.
        unlabelled: by name, splits of the source of which no row has a label. They are kept for
            prediction and are no `splits`: nothing that walks over those can learn from them,
            measure by them or list them, and the fingerprint does not know them. One may have the
            name of a split that was cut off the training rows.
    """

    splits: Mapping[str, Split]
    classes: tuple[str, ...]
    modality: Modality
    fingerprint: str
    source: SourceInfo
    unlabelled: Mapping[str, Split] = field(default_factory=dict)

    @property
    def train(self) -> Split:
        """The split that is trained on."""
        return self.splits["train"]

    @property
    def image_root(self) -> Path | None:
        """Folder of the pictures if they stay on disk, else None."""
        return self.train.image_root

    def split(self, name: str) -> Split:
        """The split of this name.

        Raises:
            DataError: there is none.
        """
        if name not in self.splits:
            raise DataError(f"There is no split {name!r}; this data set has {list(self.splits)}.")
        return self.splits[name]

    def __iter__(self) -> Iterator[Split]:
        return iter(self.splits.values())


def fingerprint_of(splits: Mapping[str, Split], classes: Sequence[str], modality: str) -> str:
    """sha256 hex of everything that a trained run depends on, row order included."""
    head = {"classes": list(classes), "modality": modality, "splits": sorted(splits)}

    def parts() -> Iterator[str | bytes]:
        yield json.dumps(head)
        for name in sorted(splits):
            split = splits[name]
            yield len(split).to_bytes(8, "little")
            yield split.keys.astype("<u8").tobytes()
            yield split.labels.astype("<i8").tobytes()
            yield split.content_hashes.astype("<u8").tobytes()

    return of_parts(parts())
