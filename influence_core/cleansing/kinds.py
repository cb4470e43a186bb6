"""Rows of a few kinds: what lies close together by what the encoder sees, or was known before.

HDBSCAN (Campello, Moulavi and Sander 2013) on the directions in which rows differ from their mean:
a kind is a dense place, and a row between such places is of none. How much each row counts says
which kind comes first, and which row stands for it. Pure; called by
`workflow.explain.groups.causes`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MOST = 8
SMALLEST = 5  # rows of a kind
_CLOSE = 3  # rows around one that make its place dense

F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Kind:
    """One kind: `rows`, indices of the largest weight first, and `medoid`, the one in their middle.

    The medoid is the row that is most like all others of its kind, by weight.
    """

    rows: npt.NDArray[np.int64]
    medoid: int


def kinds(
    features: F32,
    weights: F32,
    most: int = MOST,
    known: Sequence[npt.NDArray[np.int64]] = (),
) -> list[Kind]:
    """Kinds of rows, those of the largest total weight first.

    Args:
        features: (n, d) in any unit.
        weights: (n,) above zero.
        most: kinds at most.
        known: rows of kinds that are known, none in two; the others are sorted beside them.

    Returns:
        Kinds without a row in common, of at least `SMALLEST` rows; not every row is of one.
    """
    if len(weights) < SMALLEST:
        return []
    unit = _directions(features)
    rest = np.setdiff1d(np.arange(len(weights)), np.concatenate([*known, np.zeros(0, np.int64)]))
    labels = _places(unit[rest]) if len(rest) >= SMALLEST else np.zeros(0, np.int64)
    parts = [rest[labels == one] for one in range(labels.max(initial=-1) + 1)]
    found = [_kind(unit, weights, part) for part in (*known, *parts)]
    found.sort(key=lambda kind: (-float(weights[kind.rows].sum()), int(kind.rows[0])))
    return found[:most]


def _directions(features: F32) -> F32:
    """(n, d) from the mean of all rows to each, of length one."""
    away = features - features.mean(axis=0)
    return np.asarray(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-12))


def _places(unit: F32) -> npt.NDArray[np.int64]:
    """(n,) number of each row's dense place, -1 for none; one place only if there are no two."""
    from sklearn.cluster import HDBSCAN

    for alone in (False, True):
        fit = HDBSCAN(SMALLEST, min_samples=_CLOSE, allow_single_cluster=alone, copy=True)
        labels = fit.fit_predict(unit).astype(np.int64)
        if labels.max() >= 0:
            break
    return labels


def _kind(unit: F32, weights: F32, rows: npt.NDArray[np.int64]) -> Kind:
    rows = rows[np.argsort(-weights[rows], kind="stable")]
    middle = weights[rows] @ unit[rows]  # the sum of cosines to all is the cosine to their sum
    return Kind(rows, int(rows[(unit[rows] @ middle).argmax()]))
