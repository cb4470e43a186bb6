"""The finding that something beside the matter tells the class: one word, or a size.

A model that learns such a shortcut looks right on every split that shares it and is wrong anywhere
else. A word counts that hardly any other class has and half of its class does, by the exact lower
bound of its precision, corrected for all words looked at. Of numbers that anybody can read off a
row (characters, bytes, pixels) a small tree learns on one half of the rows; it counts if on the
other half most of what the largest class leaves wrong is right by the number alone.
"""

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from influence_core.data.checks.finding import Finding, Found, Rows, number_of
from influence_core.data.dataset import Dataset, Split
from influence_core.data.images import pixels_of
from influence_core.errors import DataError

FEWEST = 20  # rows that have the word
PRECISE, COVERED = 0.9, 0.5  # of rows with the word those of the class; of the class those with it
EXPLAINED = 0.8  # of the rows that the largest class leaves wrong
NAMED = 5  # words that are named, each by a finding
LEVEL = 0.01
_MOST = 50_000  # rows that are looked at; of more, a seeded sample
_ADVICE = (
    "Ask whether it is in the data by chance of how they were collected, and take it out: a model "
    "that reads it is right here and wrong elsewhere."
)


def shortcuts(dataset: Dataset) -> Found:
    """Words and sizes that tell the class of the training rows by themselves."""
    train = dataset.train
    known = np.flatnonzero(train.labels >= 0)
    if len(known) > _MOST:
        known = np.sort(np.random.default_rng(0).permutation(known)[:_MOST])
    labels = train.labels[known]
    if len(np.unique(labels)) < 2 or len(known) < 2 * FEWEST:
        return
    if dataset.modality == "text":
        yield from _words(dataset, known, labels)
    for what, rows, values in _sizes(train, known):
        labels = train.labels[rows]
        if len(np.unique(labels)) < 2 or len(rows) < 2 * FEWEST:
            continue
        share = explained(values, labels)
        if share >= EXPLAINED:
            told = (
                f"The class of a training row can be told by {what} alone: of the rows that the "
                f"largest class leaves wrong {100 * share:.0f} % come right."
            )
            yield Finding("shortcuts", "warning", told, "train", rows, _ADVICE)


def telling_words(
    texts: list[str], labels: npt.NDArray[np.int64]
) -> list[tuple[str, int, npt.NDArray[np.int64]]]:
    """Words that tell a class: each with the class and the rows of it that have the word.

    Args:
        texts, labels: (n,) of rows with a label.
    """
    from scipy.sparse import csr_array
    from scipy.stats import beta
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(
        binary=True, min_df=FEWEST, token_pattern=r"(?u)\b\w+\b", dtype=np.int32
    )
    try:
        table = counter.fit_transform(texts).tocsc()
    except ValueError:  # no word is in so many texts
        return []
    n = len(labels)  # sparse: of thousands of classes most cells are 0
    one_hot = csr_array((np.ones(n, np.int64), (np.arange(n), labels)))  # (n, C)
    inside = csr_array(table.T) @ one_hot  # (V, C)
    size = np.asarray(inside.sum(1))
    best = np.asarray(inside.argmax(1))
    hits = inside.max(1).toarray().ravel()
    low = beta.ppf(LEVEL / len(size), hits, size - hits + 1)
    covered = hits / np.bincount(labels)[best]
    names = counter.get_feature_names_out()
    good = np.flatnonzero((low >= PRECISE) & (covered >= COVERED))
    order = good[np.argsort(-covered[good], kind="stable")]
    out = []
    for i in order.tolist():
        rows = table[:, [i]].nonzero()[0]
        out.append((str(names[i]), int(best[i]), np.sort(rows[labels[rows] == best[i]])))
    return out


def explained(values: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> float:
    """How much of what the largest class leaves wrong comes right by a number alone, at most 1.

    Learned on every second row, and measured on the others; both halves in turn.
    """
    from sklearn.tree import DecisionTreeClassifier

    if 4 * len(np.unique(labels)) > len(labels):  # with a few rows a class nothing can be learned
        return 0.0
    half = np.random.default_rng(0).permutation(len(labels)) % 2 == 0
    right = np.zeros(len(labels), dtype=np.bool_)
    for one in (half, ~half):
        tree = DecisionTreeClassifier(
            max_leaf_nodes=2 * len(np.unique(labels)), min_samples_leaf=5, random_state=0
        )
        tree.fit(values[one, None], labels[one])
        right[~one] = tree.predict(values[~one, None]) == labels[~one]
    largest = np.bincount(labels).max() / len(labels)
    return float((right.mean() - largest) / (1 - largest))


def _words(dataset: Dataset, known: Rows, labels: npt.NDArray[np.int64]) -> Found:
    found = telling_words(dataset.train.texts(known), labels)
    for word, number, rows in found[:NAMED]:
        name = dataset.classes[number]
        leaks = word in name.casefold().split()
        told = (
            f"The word {word!r} stands in {number_of(rows.size)} of class {name!r} and hardly in "
            f"any other class{': the label leaks into the text' if leaks else ''}."
        )
        yield Finding("shortcuts", "warning", told, "train", known[rows], _ADVICE)


def _sizes(train: Split, known: Rows) -> Iterator[tuple[str, Rows, npt.NDArray[np.float64]]]:
    """What is measured, of which rows, and how large each is."""
    if train.content_column == "text":
        texts = train.texts(known)
        yield "the length of its text", known, np.array([len(text) for text in texts], np.float64)
        return
    rows, sizes = [], []
    for position in known.tolist():
        # What cannot be read is a finding of its own (`unreadable_images`).
        with suppress(DataError):
            data = train.image_bytes(position)
            sizes.append((len(data), *pixels_of(data)))
            rows.append(position)
    at, table = np.array(rows, np.int64), np.array(sizes, np.float64).reshape(-1, 3)
    for number, what in enumerate(
        ("size of its file", "width of its picture", "height of its picture")
    ):
        yield f"the {what}", at, table[:, number]
