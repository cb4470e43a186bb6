"""Label errors: the flipped side against K-fold, AUM and in-sample confidence.

Average precision and AUC of the known wrong rows by each ranking; and what cleanlab's default
filter makes of each set of probabilities, for its count depends on them.
"""

import time

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import average_precision_score, roc_auc_score

from benchmarks.task import Task, raw
from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import both_sides
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.masks import as_keys

FOLDS = 5


def label_table(task: Task) -> pd.DataFrame:
    """One line a source of probabilities or margins; empty if nothing is known to be wrong."""
    if task.bad is None or not task.bad.any():
        return pd.DataFrame()
    rows = task.rows
    index = np.arange(len(task.labels))
    start = time.perf_counter()
    fit = fit_heads(rows, task.head(), HeadTraining())
    head = HeadWeights(fit.W1, fit.b1, fit.W2, fit.config)
    sides = both_sides(rows.features, rows.labels, rows.keys, head)
    once = time.perf_counter() - start
    inside = head.proba(torch.from_numpy(task.X)).numpy()
    start = time.perf_counter()
    folded = cross_validated(task)
    five = time.perf_counter() - start
    lines = [
        line(task, "flipped side (ours, one run)", sides.flipped[index, task.labels], once),
        line(task, "5-fold probabilities", folded[index, task.labels], five),
        line(task, "in-sample probabilities", inside[index, task.labels], once),
    ]
    if fit.aum is not None:
        lines.append(line(task, "AUM (in-sample margin over epochs)", fit.aum, once))
    for number, proba in ((0, sides.flipped), (1, folded), (2, inside)):
        lines[number] |= filtered(task, proba)
    return pd.DataFrame(lines)


def cross_validated(task: Task, seed: int = 0) -> np.ndarray:
    """Out-of-fold probabilities (N, C) by five trainings of the same head."""
    fold = folds(len(task.labels), seed)
    out = np.empty((len(task.labels), task.classes), dtype=np.float32)
    for k in range(FOLDS):
        kept = fold != k  # rows left out cost nothing, as in a real cross-validation
        rows = Rows(
            raw(task.X[kept]), torch.from_numpy(task.labels[kept]), as_keys(task.keys[kept])
        )
        fit = fit_heads(rows, task.head(seed=seed), task.training(seed))
        head = HeadWeights(fit.W1, fit.b1, fit.W2, fit.config)
        out[fold == k] = head.proba(torch.from_numpy(task.X[fold == k])).numpy()
    return out


def folds(rows: int, seed: int = 0) -> np.ndarray:
    """The fold of every row, (N,)."""
    return np.random.default_rng(seed).permutation(np.arange(rows) % FOLDS)


def line(task: Task, name: str, confidence: np.ndarray, seconds: float) -> dict[str, object]:
    return {
        "ranking": name,
        "AP": average_precision_score(task.bad, -confidence),
        "AUC": roc_auc_score(task.bad, -confidence),
        "seconds": seconds,
    }


def filtered(task: Task, proba: np.ndarray) -> dict[str, object]:
    """cleanlab's default filter on these probabilities."""
    from cleanlab.filter import find_label_issues

    found = find_label_issues(task.labels, proba / proba.sum(1, keepdims=True), n_jobs=1)
    hits = float((found & task.bad).sum())
    return {
        "cleanlab flags": int(found.sum()),
        "precision": hits / max(found.sum(), 1),
        "recall": hits / task.bad.sum(),
    }
