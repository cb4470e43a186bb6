"""Cutting validation and test rows off a source that comes in one piece.

Stratified, seeded, and by content rather than by row: exact duplicates always fall on the same
side, so nothing leaks, and a row's side does not depend on the order of the rows.
"""

import numpy as np
import numpy.typing as npt

from influence_core.data.keys import Keys

_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def cut_shares(
    labels: npt.NDArray[np.int64], groups: Keys, shares: tuple[float, ...], seed: int
) -> npt.NDArray[np.int64]:
    """Assign each row to a part.

    Args:
        labels: (N,) class numbers; each class is cut in the same proportions, as far as its
            groups allow, and always keeps a row in the rest.
        groups: (N,) content hashes; equal ones stay together.
        shares: of parts 1, 2, ...; the rest is part 0.
        seed: which cut.

    Returns:
        Part numbers, int64 (N,).
    """
    unique, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    # A group's class is that of its smallest label: the same whatever the order of the rows.
    group_label = np.full(unique.size, np.iinfo(np.int64).max)
    np.minimum.at(group_label, inverse, labels)
    order = np.lexsort((_shuffled(unique, seed), group_label))
    ordered_label, ordered_size = group_label[order], sizes[order]
    before_all = np.cumsum(ordered_size) - ordered_size
    starts = np.r_[True, ordered_label[1:] != ordered_label[:-1]][: order.size]
    class_number = np.cumsum(starts) - 1
    total = np.bincount(class_number, weights=ordered_size)[class_number]
    end = before_all - before_all[starts][class_number] + ordered_size
    parts = np.zeros(unique.size, dtype=np.int64)
    for part, limit in reversed(list(enumerate(np.cumsum(shares), start=1))):
        parts[order[end <= np.minimum(np.round(limit * total), total - 1)]] = part
    return parts[inverse]


def _shuffled(values: Keys, seed: int) -> Keys:
    """SplitMix64's finaliser over value and seed: a random order that any machine repeats."""
    x = values ^ np.uint64((seed + 1) * _GAMMA % 2**64)
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))
