"""Our estimators, and a datamodel on the same number of retrainings."""

import time
from dataclasses import replace

import numpy as np
import torch

from benchmarks.process import Ready
from benchmarks.task import Task
from influence_core.evaluation.retrain import label_losses, random_halves, retrain
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.presets import STANDARD, preset


def trained(task: Task, size: str, width: int | None) -> tuple[Evidence, HeadWeights]:
    """One turn-over run, as a project trains it; a lean one, at a higher rate, half as long."""
    rows, shape = task.rows, preset(size)
    epochs = task.epochs if size == STANDARD else -(-task.epochs // 2)
    config = task.head(shape.members, width or shape.width)
    training = shape.training(len(task.labels), epochs)
    fit = fit_heads(rows, config, training)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, fit.config)
    flipped = both_sides(rows.features, rows.labels, rows.keys, head).flipped
    flipped = torch.from_numpy(flipped)
    return Evidence(rows.features, rows.labels, rows.keys, flipped, head, training), head


def estimator(task: Task, name: str, size: str = STANDARD, width: int | None = None) -> Ready:
    """An entry of our registry, with its default settings."""
    start = time.perf_counter()
    evidence, head = trained(task, size, width)
    done = time.perf_counter()
    prepared = ESTIMATORS[name].prepare(evidence)
    setup = time.perf_counter() - done

    def score(which: slice) -> np.ndarray:
        x = torch.from_numpy(task.Xt[which])
        targets = Targets(x, torch.from_numpy(task.yt[which]), head.proba(x))
        return prepared.query(targets).scores(slice(0, len(evidence))).scores.numpy()

    usual = size == STANDARD and width is None
    return Ready(score, done - start, setup, 16 if usual else 0)


def datamodel(task: Task) -> Ready:
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
    training = time.perf_counter() - start
    membership = weights.numpy().T.astype(np.float64)

    def score(which: slice) -> np.ndarray:
        fits = [
            RidgeCV(alphas=np.logspace(-1, 4, 11)).fit(membership, losses[:, t])
            for t in range(len(task.yt))[which]
        ]
        return np.stack([-fit.coef_ for fit in fits])

    return Ready(score, training, 0.0)
