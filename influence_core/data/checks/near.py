"""The findings about near copies: rows that are almost the same, in sets, within and across splits.

Two texts are near copies if they share most of their runs of four letters and all of their numbers,
case, blanks and punctuation aside; two pictures if small grey versions of them are the same but for
contrast, as after another JPEG, another size or another brightness, or if one is cut out of the
other (`crops`). Rows of a table, which are neither, are near copies if the features that a user
brought are the same, or nearly, in all columns. An encoder's features are not compared, so nothing
is trained before. Rows are compared block by block; of many, a seeded sample.
"""

import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.contents import LEAKED, folded_text
from influence_core.data.checks.crops import crop_pairs
from influence_core.data.checks.finding import Finding, Found, Rows, Severity, rows_have
from influence_core.data.checks.looks import SIDE, Looks, looks_of, places_of
from influence_core.data.dataset import Dataset
from influence_core.progress import check_cancel

if TYPE_CHECKING:
    from scipy.sparse import csr_array

F32 = npt.NDArray[np.float32]

ALIKE_TEXT, ALIKE_PICTURE = 0.8, 0.995  # cosines; of reviews 0.5 % have a neighbour above 0.64
APART, FEWEST = 2e-3, 5  # of a row's length, by which features may differ; columns that tell rows
MOST_SET = 100  # rows; a larger set is a pattern of writing, not copies
SHORT = 20  # characters; shorter texts are alike by chance
_RUN = 4  # letters
_BUCKETS, _WIDTH = 1 << 16, 128  # of runs of letters, and of their projection
_SLACK = 0.1  # by which a projection may miss a cosine: three deviations
_NEIGHBOURS = 10  # kept of each row
_BLOCK = 1024
_SEED = 0x6E72


@dataclass(frozen=True)
class CopySet:
    """Rows that are copies of each other: split and position of each, in the data set's order.

    Attributes:
        kind: "exact" where all hold the same bytes, else "near".
        rows: two or more.
    """

    kind: Literal["exact", "near"]
    rows: tuple[tuple[str, int], ...]

    def of(self, split: str) -> list[int]:
        """Positions of its rows in one split."""
        return [position for name, position in self.rows if name == split]


def near_copies(
    dataset: Dataset, looks: Looks | None = None, cancel: threading.Event | None = None
) -> Found:
    """Rows with a near copy that is no exact one: in their split, and in train.

    Args:
        dataset: which.
        looks: of its pictures, measured here if None.
        cancel: stops it.
    """
    sets = near_sets(dataset, looks, cancel)
    for split in dataset:
        own = [one.of(split.name) for one in sets]
        inside = [rows for rows in own if len(rows) > 1]
        rows = _rows(inside)
        if rows.size:
            differ = sum(len(set(split.labels[at].tolist())) > 1 for at in inside)
            what = rows_have(rows, f"a near copy, in {_sets(len(inside), differ)}", split)
            advice = "Keep one of each set; where labels differ, at most one is right."
            severity: Severity = "warning" if differ else "note"
            yield Finding("near-copies", severity, what, split.name, rows, advice)
        leaked = [at for at, one in zip(own, sets, strict=True) if at and one.of("train")]
        rows = _rows(leaked)
        if split.name != "train" and rows.size:
            what = rows_have(rows, "a near copy in train", split)
            yield Finding("near-leakage", "warning", what, split.name, rows, LEAKED)


def near_sets(
    dataset: Dataset,
    looks: Looks | None = None,
    cancel: threading.Event | None = None,
    features: Mapping[str, npt.NDArray[np.floating]] | None = None,
) -> list[CopySet]:
    """Sets of near copies over all splits, the first row's order; exact copies alone are none.

    Args:
        dataset: which.
        looks: of its pictures, measured here if None.
        cancel: stops it.
        features: (n, d) of each split, that a user brought; compared where rows are of a table.

    Raises:
        CancelledError: `cancel` was set.
    """
    if dataset.modality == "text":
        places = places_of(dataset)
        pairs = _texts(dataset, places, cancel)
    elif dataset.modality == "image":
        looks = looks_of(dataset, cancel) if looks is None else looks
        places, pairs = looks.places, _pictures(looks, cancel)
    elif features is not None:
        places = places_of(dataset)
        pairs = _features(features, places, cancel)
    else:
        return []
    out = []
    for members in joined(pairs, len(places)):
        rows = [places[m] for m in members.tolist()]
        contents = {int(dataset.split(name).content_hashes[at]) for name, at in rows}
        if len(contents) > 1 and len(rows) <= MOST_SET:
            out.append(CopySet("near", tuple(rows)))
    return out


def joined(pairs: npt.NDArray[np.int64], n: int) -> list[Rows]:
    """Sets (each ascending) of the numbers below `n` that pairs (m, 2) put together."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(pairs):
        return []
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, part = connected_components(links, directed=False)
    order = np.argsort(part, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(part[order])) + 1)
    return sorted((one for one in groups if len(one) > 1), key=lambda one: int(one[0]))


def _texts(
    dataset: Dataset, places: Sequence[tuple[str, int]], cancel: threading.Event | None
) -> npt.NDArray[np.int64]:
    from sklearn.feature_extraction.text import HashingVectorizer

    texts = {split.name: split.texts() for split in dataset}
    folded = [folded_text(texts[name][at]) for name, at in places]
    long = np.flatnonzero([len(text) >= SHORT for text in folded])
    counter = HashingVectorizer(
        analyzer="char_wb", ngram_range=(_RUN, _RUN), n_features=_BUCKETS, binary=True,
        alternate_sign=False, dtype=np.float32,
    )  # fmt: skip
    if len(long) < 2:
        return np.zeros((0, 2), np.int64)
    table = counter.transform([folded[i] for i in long.tolist()])  # (n, buckets), rows of length 1
    pairs = _close(_unit(_projected(table)), ALIKE_TEXT - _SLACK, cancel)
    exact = np.asarray(table[pairs[:, 0]].multiply(table[pairs[:, 1]]).sum(1)).ravel()
    pairs = long[pairs[exact >= ALIKE_TEXT]]
    numbers = {i: re.findall(r"\d+", folded[i]) for i in np.unique(pairs).tolist()}
    same = [numbers[a] == numbers[b] for a, b in pairs.tolist()]
    return pairs[np.array(same, dtype=np.bool_)]


def _projected(table: "csr_array") -> F32:
    """(n, width) rows of (n, buckets) times a matrix of random signs, which keep cosines nearly.

    Source: Achlioptas, Database-friendly random projections, 2003.
    """
    bits = np.frombuffer(np.random.default_rng(_SEED).bytes(_BUCKETS * _WIDTH // 8), np.uint8)
    met = np.unique(table.indices)  # of a short file few; all would cost it a tenth of a second
    signs = np.unpackbits(bits.reshape(_BUCKETS, -1)[met], axis=1).astype(np.float32) * 2 - 1
    return np.asarray(table[:, met] @ signs)


def _pictures(looks: Looks, cancel: threading.Event | None) -> npt.NDArray[np.int64]:
    if len(looks.places) < 2:
        return np.zeros((0, 2), np.int64)
    flat = looks.small - looks.small.mean(1, keepdims=True)
    # One grey all over is like any other.
    at = np.flatnonzero(np.linalg.norm(flat, axis=1) >= SIDE)
    alike = at[_close(_unit(flat[at]), ALIKE_PICTURE, cancel)]
    return np.concatenate([alike, crop_pairs(looks.frames, cancel)])


def _features(
    features: Mapping[str, npt.NDArray[np.floating]],
    places: Sequence[tuple[str, int]],
    cancel: threading.Event | None,
) -> npt.NDArray[np.int64]:
    """Pairs of rows (m, 2) whose features differ by next to nothing, each column as wide as any."""
    rows = {name: [at for split, at in places if split == name] for name, _ in places}
    x = np.concatenate([np.asarray(features[name][at], np.float32) for name, at in rows.items()])
    wide = x.std(0)
    told = wide > 1e-6 * np.abs(x).max(0)
    if told.sum() < FEWEST:  # rows are alike by chance
        return np.zeros((0, 2), np.int64)
    x = (x[:, told] - x[:, told].mean(0)) / wide[told]
    pairs = _close(_unit(x), 1 - 4 * APART**2, cancel)
    apart = np.linalg.norm(x[pairs[:, 0]] - x[pairs[:, 1]], axis=1)
    return pairs[apart <= APART * np.linalg.norm(x[pairs[:, 0]], axis=1)]


def _close(unit: F32, least: float, cancel: threading.Event | None) -> npt.NDArray[np.int64]:
    """(m, 2) pairs of rows (n, d) of length one with a cosine of at least `least`.

    Of each row its `_NEIGHBOURS` nearest at most: enough to join a set.
    """
    return np.array(list(_found(unit, least, cancel)), np.int64).reshape(-1, 2)


def _found(unit: F32, least: float, cancel: threading.Event | None) -> Iterator[tuple[int, int]]:
    for start in range(0, len(unit), _BLOCK):
        check_cancel(cancel)
        part = unit[start : start + _BLOCK]
        cosine = part @ unit[start:].T  # each pair once
        close = cosine >= least
        for row in np.flatnonzero(close.any(1)).tolist():
            columns = row + 1 + np.flatnonzero(close[row, row + 1 :])
            if len(columns) > _NEIGHBOURS:
                nearest = np.argpartition(-cosine[row, columns], _NEIGHBOURS)[:_NEIGHBOURS]
                columns = columns[nearest]
            for column in columns.tolist():
                yield start + row, start + column


def _unit(x: F32) -> F32:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12), np.float32)


def _rows(parts: Sequence[Sequence[int]]) -> Rows:
    return np.array(sorted({at for part in parts for at in part}), dtype=np.int64)


def _sets(number: int, differ: int) -> str:
    told = "1 set" if number == 1 else f"{number:,} sets"
    if not differ:
        return told
    return f"{told}, of which {differ:,} {'has' if differ == 1 else 'have'} different labels"
