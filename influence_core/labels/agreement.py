"""How far reviewers agree about the rows that they both decided."""

from collections.abc import Mapping
from itertools import combinations

import pandas as pd


def agreement(words: Mapping[str, Mapping[int, str]]) -> pd.DataFrame:
    """Every pair of reviewers with rows in common.

    Args:
        words: per reviewer, what he or she says about each row, such as "keep" or "relabel cat".

    Returns:
        Columns first, second, rows (decided by both), same (share with the same word), kappa
        (Cohen 1960: agreement beyond chance, NaN where both always say one thing).
    """
    from sklearn.metrics import cohen_kappa_score

    lines = []
    for first, second in combinations(sorted(words), 2):
        common = sorted(set(words[first]) & set(words[second]))
        if not common:
            continue
        a, b = ([words[who][key] for key in common] for who in (first, second))
        same = sum(x == y for x, y in zip(a, b, strict=True)) / len(common)
        varied = len({*a, *b}) > 1
        kappa = float(cohen_kappa_score(a, b)) if varied else float("nan")
        lines.append((first, second, len(common), same, kappa))
    return pd.DataFrame(lines, columns=["first", "second", "rows", "same", "kappa"])
