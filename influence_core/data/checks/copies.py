"""Copies of every kind in one list: sets of rows that hold the same, or nearly, over all splits.

Exact copies have one content; texts that differ in case, blanks or punctuation alone are copies
too, and those that `near` finds. Content alone is compared: what an encoder finds alike is often
another thing of the same kind. A row stands in one set at most. Called by `workflow.review.copies`.
"""

import threading
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.contents import folded_hashes
from influence_core.data.checks.near import CopySet, joined, near_sets
from influence_core.data.dataset import Dataset
from influence_core.data.keys import Keys

Pairs = npt.NDArray[np.int64]


def copy_sets(
    dataset: Dataset,
    cancel: threading.Event | None = None,
    features: Mapping[str, npt.NDArray[np.floating]] | None = None,
) -> list[CopySet]:
    """All sets, in the order of their first rows.

    Args:
        dataset: which.
        cancel: stops it.
        features: (n, d) of each split, as for `near_sets`.

    Raises:
        CancelledError: `cancel` was set.
    """
    pairs = [_chained([split.content_hashes for split in dataset])]
    if folded := folded_hashes(dataset):
        pairs.append(_chained([folded[split.name] for split in dataset]))
    starts = _starts(dataset)
    for one in near_sets(dataset, cancel=cancel, features=features):
        numbers = np.array([starts[name] + at for name, at in one.rows], dtype=np.int64)
        pairs.append(np.stack([numbers[:-1], numbers[1:]], axis=1))
    return _sets(dataset, np.concatenate(pairs))


def exact_sets(dataset: Dataset) -> list[CopySet]:
    """Only those of one content, which are known at once."""
    return _sets(dataset, _chained([split.content_hashes for split in dataset]))


def _sets(dataset: Dataset, pairs: Pairs) -> list[CopySet]:
    places = [(split.name, at) for split in dataset for at in range(len(split))]
    hashes = np.concatenate([split.content_hashes for split in dataset])
    return [
        CopySet(
            "exact" if len(set(hashes[members].tolist())) == 1 else "near",
            tuple(places[m] for m in members.tolist()),
        )
        for members in joined(pairs, len(places))
    ]


def _chained(hashes: list[Keys]) -> Pairs:
    """(m, 2) numbers of rows, over all splits, whose hash is that of the next one that has it."""
    every = np.concatenate(hashes)
    order = np.argsort(every, kind="stable")
    same = np.flatnonzero(every[order[1:]] == every[order[:-1]])
    return np.stack([order[same], order[same + 1]], axis=1)


def _starts(dataset: Dataset) -> dict[str, int]:
    """The number of each split's first row."""
    sizes = [len(split) for split in dataset]
    return dict(zip((s.name for s in dataset), np.cumsum([0, *sizes]).tolist(), strict=False))
