"""A user's features, checked and written as the project's own file of each split.

Two passes over each file, block by block: the first measures and checks, the second writes float16.
The features of a file belong to the records of the source's file, or to ids that both name.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.data.dataset import Dataset, Split
from influence_core.data.keys import Keys, occurrence_numbers
from influence_core.disk.fingerprint import of_file, of_parts
from influence_core.errors import DataError
from influence_core.models.feature_file import FeatureFile
from influence_core.models.own.arrays import OwnArray
from influence_core.models.tokens import OWN
from influence_core.progress import Progress, ProgressFn, check_cancel

MOST = 1e15  # squares of larger ones do not fit a float32
HALF = 6e4  # what float16 holds
FINE = 2.0**-7  # of a column's size that its deviation must have to survive float16
UNEVEN = 100.0  # a deviation so many times the usual one calls for units of their own
Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Which record of an array each row of a split has: `records` (n,)."""

    split: Split
    array: OwnArray
    records: Positions
    by_id: bool
    unlabelled: bool = False

    def blocks(self) -> Iterator[tuple[Positions, npt.NDArray[Any]]]:
        """Positions in the split, and their numbers, as the file has them one after the other."""
        order = np.argsort(self.records, kind="stable")
        ranked, start = self.records[order], 0
        for block in self.array.blocks():
            low, high = np.searchsorted(ranked, [start, start + len(block)])
            if low < high:
                yield order[low:high], block[ranked[low:high] - start]
            start += len(block)


@dataclass(frozen=True)
class Units:
    """What is taken off a column and what it is divided by before it is kept; None: nothing."""

    mean: npt.NDArray[np.float64]
    deviation: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Placed:
    """What was written: its fingerprint, its dimension, and what there is to tell."""

    fingerprint: str
    dim: int
    told: tuple[str, ...]


def parts_of(dataset: Dataset, arrays: Mapping[str, OwnArray]) -> list[Part]:
    """Which array each split has its numbers from, and which row of it.

    Args:
        dataset: as it was read.
        arrays: by split; that of "train" serves all splits of its file.

    Raises:
        DataError: a split has none, or rows and numbers do not fit together.
    """
    unknown = [name for name in arrays if name not in {*dataset.splits, *dataset.unlabelled}]
    if unknown:
        raise DataError(
            f"There are features for {unknown[0]!r}, but no such split; there are "
            f"{list(dataset.splits)}."
        )
    parts = []
    for name, split in dataset.splits.items():
        array = arrays.get(name) or (arrays.get("train") if same_file(dataset, name) else None)
        if array is None:
            raise DataError(
                f"The {name} rows stand in another file than the training rows; give their "
                f"features, too (--{name}-features)."
            )
        parts.append(part_of(dataset, split, array, own=name in arrays))
    kept = {n: s for n, s in dataset.unlabelled.items() if n in arrays and n not in dataset.splits}
    parts += [part_of(dataset, s, arrays[n], own=True, unlabelled=True) for n, s in kept.items()]
    dims = {part.array.dim: part.array.name for part in parts}
    if len(dims) > 1:
        told = " and ".join(f"{dim} of {name}" for dim, name in dims.items())
        raise DataError(f"All rows need as many features; there are {told}.")
    return parts


def place_features(
    dataset: Dataset,
    parts: Sequence[Part],
    folder: Path,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Placed:
    """Write the features of every split below an empty folder; cards follow by `write_cards`.

    Raises:
        DataError: a number is NaN, infinite or huge, or the features tell nothing.
        CancelledError: `cancel` was set.
    """
    units = _units(parts, cancel)
    folder.mkdir(parents=True)
    told, digests = [], []
    for part in parts:
        place = path_of(folder, part)
        place.parent.mkdir(exist_ok=True)
        file = FeatureFile(place, {"rows": len(part.split), "dim": part.array.dim})
        target, done = file.write_from(0), 0
        for rows, block in part.blocks():
            values = np.asarray(block, dtype=np.float64)
            if units is not None:
                values = (values - units.mean) / units.deviation
            target[rows] = values.astype(np.float16)
            done += len(rows)
            check_cancel(cancel)
            if progress:
                progress(Progress("encode", done, len(part.split), part.split.name))
        target.flush()
        told += _repeats(part, target)
        digests.append(f"{part.split.name}:{of_file(place)}\n")
    by_id = "by id" if parts[0].by_id else "by position"
    names = ", ".join(dict.fromkeys(part.array.name for part in parts))
    dim = parts[0].array.dim
    told.insert(0, f"Features are read from {names} ({dim:,} numbers a row, {by_id}).")
    if units is not None:
        told.append(
            "Columns of the features differ much in size, so each is kept in units of its "
            "deviation over the training rows."
        )
    return Placed(of_parts([OWN, *digests]), dim, tuple(told))


def write_cards(folder: Path, parts: Sequence[Part], encoder: str, data: str) -> None:
    """Say of files that `place_features` has written what they belong to.

    Args:
        folder: of them. parts: as they were placed.
        encoder: fingerprint of the features; `data` of the data set.
    """
    for part in parts:
        card = {
            "split": part.split.name,
            "rows": len(part.split),
            "dim": part.array.dim,
            "encoder_fingerprint": encoder,
            "dataset_fingerprint": data,
        }
        FeatureFile(path_of(folder, part), card).count(len(part.split), len(part.split))


def path_of(folder: Path, part: Part) -> Path:
    """Where the features of a part lie."""
    return folder / ("unlabelled" if part.unlabelled else "") / f"{part.split.name}.npy"


def same_file(dataset: Dataset, name: str) -> bool:
    """Whether a split stands in the file of the training rows."""
    files = dataset.source.files
    return name in files and files[name].path == files["train"].path and (
        files[name].sheet == files["train"].sheet
    )  # fmt: skip


def part_of(
    dataset: Dataset, split: Split, array: OwnArray, *, own: bool, unlabelled: bool = False
) -> Part:
    """Which record of an array each row of a split has.

    Args:
        own: whether the array is about this split alone, or perhaps about all of its file.

    Raises:
        DataError: ids do not agree, or there are more or fewer rows.
    """
    if array.ids is not None:
        return Part(split, array, _by_id(dataset, split, array), True, unlabelled)
    file = dataset.source.files.get(split.name)
    records = 0 if file is None else file.rows
    if array.rows == records:
        return Part(split, array, split.rows, False, unlabelled)
    if own and array.rows == len(split):
        return Part(split, array, np.arange(len(split)), False, unlabelled)
    whole = f" (its file has {records:,})" if records > len(split) else ""
    raise DataError(
        f"{array.name} has {array.rows:,} rows of features, and {split.name} has {len(split):,} "
        f"rows{whole}; give one row of features for each row, in the same order, or name both by "
        "ids."
    )


def _by_id(dataset: Dataset, split: Split, array: OwnArray) -> Positions:
    if dataset.source.id_column is None and dataset.source.files:
        raise DataError(
            f"{array.name} names its rows by ids, but no column of the data holds ids; name it "
            "(--id), or leave the ids out to go by position."
        )
    index = pd.Index(array.ids or ())
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise DataError(f"The id {twice!r} stands twice in {array.name}; ids must be unique.")
    found = index.get_indexer(pd.Index(split.ids))
    missing = np.flatnonzero(found < 0)
    if missing.size:
        raise DataError(
            f"{array.name} has no features for {missing.size:,} of {len(split):,} rows of "
            f"{split.name}, such as id {split.ids[missing[0]]!r}; ids of both must agree."
        )
    return found.astype(np.int64)


def _units(parts: Sequence[Part], cancel: threading.Event | None) -> Units | None:
    """Check all numbers, and say whether float16 would lose some of them as they are.

    Raises:
        DataError: a number cannot be used, or all rows are alike.
    """
    dim, largest, count = parts[0].array.dim, 0.0, 0
    total, square, size = np.zeros(dim), np.zeros(dim), np.zeros(dim)
    shift: npt.NDArray[np.float64] | None = None
    for part in parts:
        for rows, block in part.blocks():
            check_cancel(cancel)
            values = np.asarray(block, dtype=np.float64)
            _refuse_numbers(part, rows, values)
            size = np.maximum(size, np.abs(values).max(0))
            if part.split.name != "train":
                continue
            shift = values[0] if shift is None else shift  # squares of what is left cancel less
            total, square = total + (values - shift).sum(0), square + ((values - shift) ** 2).sum(0)
            count += len(values)
    mean = total / max(count, 1)
    deviation = np.sqrt(np.maximum(square / max(count, 1) - mean**2, 0.0))
    moving = deviation > 1e-9 * np.maximum(size, 1e-30)
    if not moving.any():
        raise DataError(
            f"All training rows have the same features in {parts[0].array.name}; nothing can be "
            "learned from them."
        )
    usual, largest = np.median(deviation[moving]), size.max()
    counts = deviation >= 0.01 * deviation.mean()
    fine = (deviation >= size * FINE)[counts & moving].all() and usual > 1e-4
    if largest < HALF and fine and deviation.max() < UNEVEN * usual:
        return None
    return Units(mean + (0.0 if shift is None else shift), np.where(moving, deviation, 1.0))


def _refuse_numbers(part: Part, rows: Positions, values: npt.NDArray[np.float64]) -> None:
    with np.errstate(invalid="ignore"):
        bad = ~(np.abs(values) <= MOST).all(axis=1)
    if not bad.any():
        return
    row = int(rows[bad.argmax()])
    value = values[bad.argmax()]
    found = value[~(np.abs(value) <= MOST)][0]
    raise DataError(
        f"{part.array.name} holds {found:g} for row {part.split.ids[row]!r} of {part.split.name}; "
        "features are finite numbers of a usual size: repair it, or leave the row out of both."
    )


def _repeats(part: Part, target: npt.NDArray[np.float16]) -> list[str]:
    """What to tell of rows with the same features but another content."""
    same = occurrence_numbers(_hashes(target)) > 0
    same &= occurrence_numbers(part.split.content_hashes) == 0
    if not same.any():
        return []
    return [
        f"{int(same.sum()):,} rows of {part.split.name} have the same features as a row of another "
        f"content, such as {part.split.ids[int(same.argmax())]!r}; check that each row has its own."
    ]


def _hashes(target: npt.NDArray[np.float16]) -> Keys:
    """A number of 64 bits for each row of (n, d), (n,): equal ones have the same bits.

    Sums of products with random numbers, modulo 2^64: two rows that differ have the same number by
    a chance of at most 2^-48 (Carter & Wegman 1979), which is enough for a hint.
    """
    factors = np.random.default_rng(0).integers(0, 2**64, target.shape[1], np.uint64)
    step = 4_096  # rows of a map are slow one by one
    parts = (np.asarray(target[i : i + step]) for i in range(0, len(target), step))
    found = [part.view(np.uint16).astype(np.uint64) @ factors for part in parts]
    return np.concatenate(found or [np.zeros(0, np.uint64)])
