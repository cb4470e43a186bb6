"""Features that a user brings to a new project: opened, checked, and written into its folder.

`create` calls this; nothing is left of a project whose features are refused.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from influence_core.data.dataset import Dataset, Split
from influence_core.data.options import ReadOptions
from influence_core.disk.atomic import plain_errors
from influence_core.disk.temporary import temporary_folder
from influence_core.errors import DataError
from influence_core.models.own.arrays import OwnArray, holds_lists, of_column, open_features
from influence_core.models.own.place import parts_of, place_features, write_cards
from influence_core.models.tokens import OWN
from influence_core.progress import ProgressFn
from influence_core.store.project import features_name

PLACE = "own"  # in a folder of features, before its name is known


@dataclass(frozen=True)
class OwnFeatures:
    """What is written of them, and the data set as it is kept.

    Attributes:
        dataset: without the column of features, and with what there is to tell.
        encoder: spec for the settings, and its `fingerprint`.
        furnish: moves the features into the folder of the project.
    """

    dataset: Dataset
    encoder: str
    fingerprint: str
    furnish: Callable[[Path], None]


@contextmanager
def own_features(
    dataset: Dataset,
    options: ReadOptions,
    home: Path,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Iterator[OwnFeatures]:
    """Read and check them all; they wait beside the projects of `home` until they are moved.

    Raises:
        DataError: a file cannot be read or does not fit the rows; the sentence names it.
        CancelledError: `cancel` was set.
    """
    with plain_errors("write", home), temporary_folder(home / "features") as folder:
        arrays, column = _arrays(dataset, options, folder)
        parts = parts_of(dataset, arrays)
        placed = place_features(dataset, parts, folder / PLACE, progress=progress, cancel=cancel)
        kept = _without(dataset, column)
        source = replace(kept.source, told=(*kept.source.told, *placed.told))

        def furnish(project: Path) -> None:
            target = project / features_name(placed.fingerprint, dataset.fingerprint)
            target.parent.mkdir(exist_ok=True)
            (folder / PLACE).rename(target)
            write_cards(target, parts, placed.fingerprint, dataset.fingerprint)

        yield OwnFeatures(
            replace(kept, source=source), f"{OWN}:{placed.dim}", placed.fingerprint, furnish
        )


def _arrays(
    dataset: Dataset, options: ReadOptions, folder: Path
) -> tuple[dict[str, OwnArray], str | None]:
    """The arrays by split, and the column of the data that they are, if they are one."""
    train = dataset.train
    given = {
        "train": options.features,
        "valid": options.valid_features,
        "test": options.test_features,
    }
    named = {split: place for split, place in given.items() if place is not None}
    if "train" not in named:
        raise DataError(
            f"Features of {next(iter(named))} need those of the training rows (--features)."
        )
    column = named["train"]
    if column in train.extra_columns:
        if len(named) > 1:
            raise DataError(f"Column {column!r} holds the features of all rows; name it alone.")
        return {split.name: _column(split, column) for split in dataset}, column
    opened: dict[str, OwnArray] = {}
    for split, place in named.items():
        (folder / split).mkdir()
        opened[split] = open_features(place, folder / split, dataset.source.id_column)
    return opened, None


def _column(split: Split, column: str) -> OwnArray:
    if column not in split.extra_columns:
        raise DataError(f"The {split.name} rows have no column {column!r} with features.")
    return of_column(column, split.table.column(column))


def _without(dataset: Dataset, column: str | None) -> Dataset:
    """Features are kept once; lists of numbers are of no use among the columns that are shown."""

    def bare(split: Split) -> Split:
        lists = [f.name for f in split.table.schema if f.name == column and holds_lists(f.type)]
        return replace(split, table=split.table.drop_columns(lists))

    return replace(
        dataset,
        splits={name: bare(split) for name, split in dataset.splits.items()},
        unlabelled={name: bare(split) for name, split in dataset.unlabelled.items()},
    )
