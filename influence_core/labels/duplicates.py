"""Rows that say the same and are labelled differently: one of the two labels is wrong.

Exact duplicates share their content's hash; near-duplicates have almost the same encoder features.
Exact ones are all found. Near ones come from the nearest neighbours: in a set of more than
`neighbours.SAMPLE` rows only pairs with at least one row in that sample are. A row without a label
contradicts nothing.
"""

from collections import defaultdict

import numpy as np
import numpy.typing as npt
import pandas as pd

NEAR = 0.98  # cosine similarity of standardised features
MAX_PAIRS = 1000


def conflicting_pairs(
    labels: npt.NDArray[np.int64],
    hashes: npt.NDArray[np.uint64],
    neighbours: tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]],
    near: float = NEAR,
) -> pd.DataFrame:
    """Pairs of rows with (nearly) the same content and different labels.

    Args:
        labels: (N,), -1 for none. hashes: (N,) of the contents.
        neighbours: positions and similarities (N, k) from `nearest`.
        near: least similarity of a near-duplicate.

    Returns:
        Columns position_a < position_b, kind ("exact" or "near"), similarity, label_a, label_b;
        exact ones first, then by similarity; at most `MAX_PAIRS`.
    """
    pairs: dict[tuple[int, int], tuple[str, float]] = {}
    groups: dict[int, list[int]] = defaultdict(list)
    copied = pd.Series(hashes).duplicated(keep=False).to_numpy()
    for position in np.flatnonzero(copied & (labels >= 0)):
        groups[int(hashes[position])].append(int(position))
    for members in groups.values():
        first = {int(labels[m]): m for m in reversed(members)}  # one row a label stands for all
        spots = sorted(first.values())
        for i, a in enumerate(spots):
            for b in spots[i + 1 :]:
                pairs[a, b] = ("exact", 1.0)
    positions, similarity = neighbours
    rows, columns = np.nonzero(similarity >= near)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        other = int(positions[row, column])
        a, b = min(row, other), max(row, other)
        known = labels[a] >= 0 and labels[b] >= 0
        if known and labels[a] != labels[b] and hashes[a] != hashes[b]:
            pairs.setdefault((a, b), ("near", float(similarity[row, column])))
    ranked = sorted(pairs.items(), key=lambda pair: (pair[1][0] != "exact", -pair[1][1], pair[0]))
    kept = ranked[:MAX_PAIRS]
    return pd.DataFrame(
        {
            "position_a": np.array([a for (a, _), _ in kept], dtype=np.int64),
            "position_b": np.array([b for (_, b), _ in kept], dtype=np.int64),
            "kind": [kind for _, (kind, _) in kept],
            "similarity": np.array([value for _, (_, value) in kept], dtype=np.float32),
            "label_a": np.array([labels[a] for (a, _), _ in kept], dtype=np.int64),
            "label_b": np.array([labels[b] for (_, b), _ in kept], dtype=np.int64),
        }
    )
