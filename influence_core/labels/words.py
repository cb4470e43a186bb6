"""Words that tell some texts from others, and phrases that many of them share.

Telling is by log-odds with an informative Dirichlet prior.
Monroe, Colaresi and Quinn 2008, "Fightin' Words", equations 16, 20 and 22: the prior is the use of
a word in all texts together, so that neither rare words nor those that everybody uses stand out.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PHRASE = 3  # words at most
PRIOR = 500.0  # words that the prior weighs like
SURE = 1.96  # standard errors that the log-odds must lie above zero
SHARED = (2, 6)  # words of a phrase that texts share
CHANCE = 0.001  # by which so many texts may share a phrase, corrected for all that were looked at
_WORD = r"(?u)\b\w[\w'’]*\b"


def distinguishing(texts: Sequence[str], others: Sequence[str], most: int = 5) -> tuple[str, ...]:
    """Words and short phrases that `texts` use more than `others`, the most telling first.

    A phrase stands for the words in it. None stands out where a side has no text.

    Args:
        texts, others: to be told from each other.
        most: words and phrases at most, no two of which share a word.
    """
    from sklearn.feature_extraction.text import CountVectorizer

    if not len(texts) or not len(others):
        return ()
    counter = CountVectorizer(
        ngram_range=(1, PHRASE), binary=True, token_pattern=_WORD, dtype=np.int64
    )
    try:
        # What is in one of the texts only tells nothing about them.
        counter.set_params(min_df=2).fit(texts)
    except ValueError:  # no word is in two of them
        return ()
    ours, theirs = (np.asarray(counter.transform(t).sum(0))[0] for t in (texts, others))
    z = log_odds(ours, theirs, len(texts), len(others))
    names = counter.get_feature_names_out()
    order = sorted(np.flatnonzero(z > SURE), key=lambda i: (-z[i], -len(names[i]), names[i]))
    return _apart([str(names[i]) for i in order], most)


def shared_phrases(
    texts: Sequence[str], others: Sequence[str], least: int
) -> list[npt.NDArray[np.int64]]:
    """Numbers of the texts that share a phrase which `others` hardly use, a phrase each.

    The most improbable phrase comes first (exact hypergeometric test, corrected for the phrases
    that were looked at); no text is of two.

    Args:
        texts, others: to be told from each other.
        least: texts that share it.
    """
    from scipy.stats import hypergeom
    from sklearn.feature_extraction.text import CountVectorizer

    if len(texts) < least or not len(others):
        return []
    counter = CountVectorizer(
        ngram_range=SHARED, binary=True, token_pattern=_WORD, dtype=np.int32, min_df=least
    )
    try:
        table = counter.fit_transform(texts).tocsc()
    except ValueError:  # no phrase is in so many
        return []
    ours, theirs = (np.asarray(t.sum(0))[0] for t in (table, counter.transform(others)))
    every = len(texts) + len(others)
    chance = hypergeom.logsf(ours - 1, every, ours + theirs, len(texts))
    names = counter.get_feature_names_out()
    good = np.flatnonzero(chance < np.log(CHANCE / len(names)))
    free, out = np.ones(len(texts), dtype=np.bool_), []
    for i in sorted(good, key=lambda i: (chance[i], -len(names[i]), names[i])):
        rows = table[:, [i]].nonzero()[0]
        own = np.sort(rows[free[rows]]).astype(np.int64)
        # What is left of a phrase whose texts are taken says nothing of its own.
        if len(own) >= max(least, (len(rows) + 1) // 2):
            free[own] = False
            out.append(own)
    return out


def log_odds(
    ours: np.ndarray, theirs: np.ndarray, texts: int, others: int, prior: float = PRIOR
) -> np.ndarray:
    """(V,) z-scores of the log-odds ratio of each word, from how many texts it is in.

    Args:
        ours, theirs: (V,) texts of either side that have the word.
        texts, others: of either side.
        prior: how many texts the prior weighs like.
    """
    share = (ours + theirs) / (texts + others)
    alpha = prior * share + 1e-2  # above zero, so that no logarithm is of nothing
    beta = prior * (1.0 - share) + 1e-2
    odds = [np.log((y + alpha) / (n - y + beta)) for y, n in ((ours, texts), (theirs, others))]
    variance = 1.0 / (ours + alpha) + 1.0 / (theirs + alpha)
    return np.asarray((odds[0] - odds[1]) / np.sqrt(variance))


def _apart(names: Sequence[str], most: int) -> tuple[str, ...]:
    """The first ones of which no two share a word."""
    kept: list[str] = []
    for name in names:
        if len(kept) < most and not any(set(name.split()) & set(one.split()) for one in kept):
            kept.append(name)
    return tuple(kept)
