"""What can be said of a row in a word or two: the columns in which slices are searched.

Columns of the file, words and pairs of words, length or brightness, and the kind of row by the
encoder's features (k-means). Words are chosen by the loss of the rows that find slices, all others
without any. Called by `workflow.slices.find`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.cleansing.slices import Codes, Loss, Mask, Predicates
from influence_core.data.dataset import Split
from influence_core.data.images import open_image
from influence_core.errors import DataError
from influence_core.workflow.session import Session

BINS = 4  # parts of a column of numbers, of as many rows each
VALUES = 50  # values of a column of names at most, the most frequent ones
WORDS = 24  # words and pairs of words at most, those with the most loss beyond the mean
COMMON = 0.3  # of the rows: more frequent words say nothing
KINDS = 16  # kinds by features
_NUMBERS = 12  # different numbers from which on a column is cut into parts
_SMALL = 64  # pixels of the longer side from which brightness is read
_SEED = 0x51

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """Some rows of one split."""

    split: Split
    at: Places
    features: npt.NDArray[np.float32]  # (n, d) in the run's standardisation


@dataclass(frozen=True)
class Column:
    """One thing that is said of a row, or several that are found together.

    Attributes:
        names: of each thing, what it says by code from 1.
        codes: of rows, (n,) or (n, things); 0 where nothing is said.
        looked: how many more things were looked at, of which these had most loss; 0 for all.
    """

    names: tuple[tuple[str, ...], ...]
    codes: Callable[[Rows], npt.NDArray[np.int32]]
    looked: int = 0


def rows_of(session: Session, name: str, at: Places) -> Rows:
    """Rows of a split with their features."""
    features = session.split_features(name).rows(torch.from_numpy(at)).float().cpu().numpy()
    return Rows(session.project.dataset.split(name), at, features)


def columns_of(parts: Sequence[Rows], least: int) -> list[Column]:
    """All columns but the words, learned from rows of one split or several.

    Args:
        parts: the rows.
        least: rows that a value or kind must have to be worth a name.
    """
    out = [
        column
        for name in parts[0].split.extra_columns
        if all(name in part.split.extra_columns for part in parts)
        and (column := _of_file(name, parts, least)) is not None
    ]
    if parts[0].split.content_column == "text":
        size = _numbers("words", _lengths, parts)
    else:
        size = _numbers("brightness", _brightness, parts)
    return [*out, *filter(None, [size, _kinds(parts, least)])]


def words_of(parts: Sequence[Rows], loss: Loss, finds: Mask, least: int) -> list[Column]:
    """Words and pairs of them, as one column; none where the rows are no texts.

    Args:
        parts, loss: (n,) rows, and what they cost (`cleansing.slices.loss_of`).
        finds: (n,) those of them whose loss chooses: words with more of it than the mean.
        least: of them a word must have.
    """
    if parts[0].split.content_column != "text":
        return []
    texts = np.array([t for part in parts for t in part.split.texts(part.at)], dtype=object)
    found = _words(texts[finds].tolist(), loss[finds], least)
    return [] if found is None else [found]


def coded(
    columns: Sequence[Column], parts: Sequence[Rows], used: Collection[int] | None = None
) -> Codes:
    """(n, F) codes of rows; of the columns that are not `used` zeros, as some take long."""
    rows, table, first = sum(len(part.at) for part in parts), [], 0
    for column in columns:
        width = len(column.names)
        if used is None or any(first <= one < first + width for one in used):
            found = np.concatenate([column.codes(part) for part in parts])
            table.append(found.reshape(rows, width))
        else:
            table.append(np.zeros((rows, width), np.int32))
        first += width
    return np.concatenate(table, axis=1) if table else np.zeros((rows, 0), np.int32)


def things(columns: Sequence[Column]) -> int:
    """How many codes a row has."""
    return sum(len(column.names) for column in columns)


def looked_at(columns: Sequence[Column]) -> list[int]:
    """(F,) of how many predicates each was chosen: of the words looked at, or of all others."""
    others = sum(len(names) for column in columns if not column.looked for names in column.names)
    return [column.looked or max(2, others) for column in columns for _ in column.names]


def named(columns: Sequence[Column], predicates: Predicates) -> str:
    """What holds of all rows of a slice, in words."""
    names = [names for column in columns for names in column.names]
    return " and ".join(names[column][code - 1] for column, code in predicates)


def _of_file(name: str, parts: Sequence[Rows], least: int) -> Column | None:
    values = np.concatenate([part.split.extra(name)[part.at] for part in parts])
    series = pd.Series(values)
    if pd.api.types.is_numeric_dtype(series.dtype) and series.nunique() > _NUMBERS:
        return _numbers(name, lambda part: part.split.extra(name)[part.at], parts)
    counts = series.dropna().astype(str).value_counts()
    counts = counts[(counts >= least) & (counts < len(series))].head(VALUES)
    if counts.empty:
        return None
    known = {value: code for code, value in enumerate(sorted(counts.index), 1)}

    def codes(part: Rows) -> npt.NDArray[np.int32]:
        own = part.split.extra(name)[part.at]
        return np.array([0 if value is None else known.get(str(value), 0) for value in own], "i4")

    return Column((tuple(f"{name}={value}" for value in known),), codes)


def _numbers(
    name: str, measure: Callable[[Rows], npt.NDArray[Any]], parts: Sequence[Rows]
) -> Column | None:
    """Parts of a measure with about as many rows each."""
    values = np.concatenate([measure(part) for part in parts]).astype(np.float64)
    values = values[np.isfinite(values)]
    if not values.size:
        return None
    inner = np.quantile(values, np.arange(1, BINS) / BINS, method="nearest")
    edges = np.unique(inner[(inner > values.min()) & (inner <= values.max())])
    if not edges.size:
        return None
    told = [f"{edge:.4g}" for edge in edges]
    between = [f"{name} {a} to {b}" for a, b in pairwise(told)]
    names = (f"{name} below {told[0]}", *between, f"{name} from {told[-1]}")

    def codes(part: Rows) -> npt.NDArray[np.int32]:
        own = measure(part).astype(np.float64)
        found = np.digitize(own, edges) + 1
        return np.where(np.isfinite(own), found, 0).astype(np.int32)

    return Column((names,), codes)


def _lengths(part: Rows) -> npt.NDArray[np.float64]:
    return np.array([len(text.split()) for text in part.split.texts(part.at)], dtype=np.float64)


def _brightness(part: Rows) -> npt.NDArray[np.float64]:
    """Mean grey, from 0 to 1; none of a picture that cannot be read."""
    out = np.full(len(part.at), np.nan)
    for place, position in enumerate(part.at.tolist()):
        try:
            image = open_image(part.split.image_bytes(position), near=_SMALL)
        except DataError:
            continue
        image.thumbnail((_SMALL, _SMALL))
        out[place] = np.asarray(image.convert("L")).mean() / 255
    return out


def _words(texts: list[str], loss: Loss, least: int) -> Column | None:
    """The most telling first."""
    from sklearn.feature_extraction.text import CountVectorizer

    def counter(**how: Any) -> Any:
        pattern = r"(?u)\b\w[\w'’]+\b"
        return CountVectorizer(
            ngram_range=(1, 2), binary=True, token_pattern=pattern, dtype=np.int32, **how
        )

    every = counter(min_df=least, max_df=COMMON)
    try:
        table = every.fit_transform(texts)
    except ValueError:  # no word is in so many texts
        return None
    size = np.asarray(table.sum(0))[0]
    z = np.asarray(table.T @ (loss - loss.mean())) / np.sqrt(size * loss.var() + 1e-9)
    names = every.get_feature_names_out()
    best = [str(names[i]) for i in np.argsort(-z, kind="stable")[:WORDS] if z[i] > 0]
    if not best:
        return None
    chosen = counter(vocabulary=best)

    def codes(part: Rows) -> npt.NDArray[np.int32]:
        found: npt.NDArray[np.int32] = chosen.transform(part.split.texts(part.at)).toarray()
        return found

    return Column(tuple((f"“{word}”",) for word in best), codes, len(names))


def _kinds(parts: Sequence[Rows], least: int) -> Column | None:
    """Rows that the encoder finds alike; each kind is named by the row in its middle."""
    from sklearn.cluster import MiniBatchKMeans

    unit = _unit(np.concatenate([part.features for part in parts]))
    many = min(KINDS, len(unit) // (2 * least))
    if many < 2:
        return None
    model = MiniBatchKMeans(many, random_state=_SEED, n_init=3, batch_size=2048).fit(unit)
    middle = (unit @ _unit(model.cluster_centers_).T).argmax(0)
    ids = [(part.split.name, part.split.ids[i]) for part in parts for i in part.at.tolist()]
    names = tuple(f"like {ids[m][1]} of {ids[m][0]}" for m in middle)

    def codes(part: Rows) -> npt.NDArray[np.int32]:
        return (model.predict(_unit(part.features)) + 1).astype(np.int32)

    return Column((names,), codes)


def _unit(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.maximum(norm, 1e-12), dtype=np.float32)
