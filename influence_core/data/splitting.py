"""Cutting validation and test rows off a source that comes in one piece.

Stratified, seeded, and by content rather than by row: exact duplicates always fall on the same
side, so nothing leaks, and a row's side does not depend on the order of the rows.
"""

import re
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from influence_core.data.keys import Keys

ALIASES = {
    "train": ("training", "trn"),
    "valid": ("validation", "val", "vld", "dev", "devel", "development", "eval", "evaluation"),
    "test": ("testing", "tst", "holdout", "heldout"),
}
_SPLIT_OF = {word: split for split, words in ALIASES.items() for word in (split, *words)}
_USUAL = frozenset({"train", "training", "valid", "validation", "val", "dev", "test", "testing"})
_NO_WORDS = frozenset({"set", "split", "data", "dataset", "images", "image", "imgs", "img", "part"})
_YES = frozenset({"true", "1", "1.0", "yes", "y", "t"})
_NO = frozenset({"false", "0", "0.0", "no", "n", "f"})
_GAMMA = 0x9E3779B97F4A7C15
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def cut_shares(
    labels: npt.NDArray[np.int64], groups: Keys, shares: tuple[float, ...], seed: int
) -> npt.NDArray[np.int64]:
    """Assign each row to a part.

    Args:
        labels: (N,) class numbers; each class is cut in the same proportions, as far as its
            groups allow, and always keeps a row in the rest. If that leaves a part empty, all
            classes are cut as one.
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
    rows = np.bincount(parts, weights=sizes, minlength=len(shares) + 1)[1:]
    if ((rows == 0) & (np.array(shares) * sizes.sum() >= 1)).any():
        # Classes too small for a share of each: what they can spare is cut regardless of the class.
        spare = order[end < total]
        spare = spare[np.argsort(_shuffled(unique[spare], seed), kind="stable")]
        parts = np.zeros(unique.size, dtype=np.int64)
        parts[spare] = _by_size(sizes[spare], shares, int(sizes.sum()))
    return parts[inverse]


def _by_size(
    sizes: npt.NDArray[np.int64], shares: tuple[float, ...], rows: int
) -> npt.NDArray[np.int64]:
    """Part numbers of groups in turn: `shares` of all rows, or alike less if there are too few."""
    most = sizes.sum() / max(sum(shares), 1e-12)
    limits = np.cumsum(shares) * min(rows, most)
    part = np.searchsorted(limits, np.cumsum(sizes) - sizes, side="right") + 1
    return np.where(part > len(shares), 0, part)


def joined_groups(contents: Keys, groups: Keys, alone: npt.NDArray[np.bool_]) -> Keys:
    """What has to stay together: rows of one group, copies, and whatever these lead to.

    Args:
        contents: (N,) content hashes.
        groups: (N,) hashes of the groups' names.
        alone: (N,) rows that name no group.

    Returns:
        (N,) the smallest content hash of those that stay together, in any order of the rows.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    unique, content = np.unique(contents, return_inverse=True)
    named, group = np.unique(groups, return_inverse=True)
    members = np.flatnonzero(~alone)
    size = unique.size + named.size
    ends = (content[members], unique.size + group[members])
    links = coo_array((np.ones(members.size, dtype=np.int8), ends), shape=(size, size))
    _, component = connected_components(links, directed=False)
    found = component[content]
    smallest = np.full(size, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(smallest, found, contents)
    return smallest[found]


def cut_groups(
    labels: npt.NDArray[np.int64], groups: Keys, shares: tuple[float, ...], seed: int
) -> npt.NDArray[np.int64]:
    """As `cut_shares` for groups of many rows and labels, such as all pictures of one patient.

    The largest come first; each goes where the counts of classes come closest to their shares, as
    in scikit-learn's StratifiedGroupKFold. The first group of each class stays in the rest.
    """
    unique, inverse, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    _, numbers = np.unique(labels, return_inverse=True)
    counts = np.zeros((unique.size, int(numbers.max(initial=0)) + 1))  # (groups, classes)
    np.add.at(counts, (inverse, numbers), 1)
    total = counts.sum(axis=0)
    wanted = np.outer([1 - sum(shares), *shares], total)  # (parts, classes)
    held = np.zeros_like(wanted)
    parts = np.zeros(unique.size, dtype=np.int64)
    for group in np.lexsort((_shuffled(unique, seed), -sizes)):
        new = counts[group]
        if (held[0][new > 0] > 0).all():
            # How much further from its share a part would be: (held + new - wanted)^2 less before.
            growth = new * (new + 2 * (held - wanted)) / total
            parts[group] = growth.sum(axis=1).argmin()
        held[parts[group]] += new
    return parts[inverse]


def _shuffled(values: Keys, seed: int) -> Keys:
    """SplitMix64's finaliser over value and seed: a random order that any machine repeats."""
    x = values ^ np.uint64((seed + 1) * _GAMMA % 2**64)
    x = (x ^ (x >> np.uint64(30))) * _MIX_1
    x = (x ^ (x >> np.uint64(27))) * _MIX_2
    return x ^ (x >> np.uint64(31))


def known_split(value: str) -> str | None:
    """ "train", "valid" or "test" for the usual spellings of these, else None.

    Case, blanks, digits and words such as "set" do not count: "Train", "val2017", "test_images".
    """
    words = [word for word in re.split(r"[\W\d_]+", value.casefold()) if word not in _NO_WORDS]
    name = "".join(words)
    return _SPLIT_OF.get(name) or _SPLIT_OF.get(name.removesuffix("set"))


def unusual_splits(found: Mapping[str, str], where: str) -> list[str]:
    """A sentence for each name of a split that not everybody would read so."""
    odd = {name: split for name, split in found.items() if name.strip().casefold() not in _USUAL}
    return [f"{where} {name!r} is read as the split {split}." for name, split in odd.items()]


def flagged_split(column: str) -> str | None:
    """The split that a column of yes and no speaks of by its name: "is_test", "isTrain", "test"."""
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip())
    words = re.split(r"[\W_]+", name.casefold())
    if words[0] in ("is", "in", "for"):
        return known_split("_".join(words[1:]))
    return known_split(name) if name.casefold() in _USUAL else None  # not "evaluation"


def flag_split(column: str, value: str) -> str | None:
    """The split of a row by the value of such a column; None if that is neither yes nor no."""
    split, said = flagged_split(column), value.strip().casefold()
    if split is None or said in _YES:
        return split
    return ("test" if split == "train" else "train") if said in _NO else None
