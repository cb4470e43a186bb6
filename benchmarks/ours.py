"""Our estimators, and a datamodel on the same number of retrainings."""

import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.task import Task
from influence_core.evaluation.retrain import label_losses, random_halves, retrain
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.training.heads import fit_heads


def run(task: Task, width: int = 256) -> tuple[Evidence, Targets]:
    """One turn-over run, as a project trains it."""
    rows = task.rows
    fit = fit_heads(rows, task.head(width=width), task.training())
    head = HeadWeights(fit.W1, fit.b1, fit.W2, fit.config)
    flipped = both_sides(rows.features, rows.labels, rows.keys, head).flipped
    evidence = Evidence(rows.features, rows.labels, rows.keys, torch.from_numpy(flipped), head)
    x = torch.from_numpy(task.Xt)
    return evidence, Targets(x, torch.from_numpy(task.yt), head.proba(x))


def estimator(task: Task, name: str, width: int = 256) -> tuple[np.ndarray, float, float]:
    """Scores (T, N), set-up seconds (training included), seconds per target."""
    start = time.perf_counter()
    evidence, targets = run(task, width)
    prepared = ESTIMATORS[name].prepare(evidence)
    setup = time.perf_counter() - start
    one = Targets(targets.features[:1], targets.labels[:1], targets.proba[:1])
    prepared.query(one).scores(slice(0, 64))  # compilation is not counted
    start = time.perf_counter()
    scores = prepared.query(targets).scores(slice(0, len(evidence))).scores.numpy()
    return scores, setup, (time.perf_counter() - start) / len(targets)


def datamodel(task: Task) -> tuple[np.ndarray, float, float]:
    """Ridge regression of the loss on membership, from as many other retrainings as the truth."""
    from sklearn.linear_model import RidgeCV

    start = time.perf_counter()
    weights = random_halves(len(task.labels), task.weights.shape[1], seed=123)
    seen = retrain(
        replace(task.rows, weights=weights),
        task.head(members=1, seed=3000),
        task.training(seed=3000),
        torch.from_numpy(task.Xt),
    )
    losses = label_losses(seen, task.yt)
    setup = time.perf_counter() - start
    start = time.perf_counter()
    membership = weights.numpy().T.astype(np.float64)
    scores = np.stack(
        [
            -RidgeCV(alphas=np.logspace(-1, 4, 11)).fit(membership, losses[:, t]).coef_
            for t in range(len(task.yt))
        ]
    )
    return scores, setup, (time.perf_counter() - start) / len(task.yt)
