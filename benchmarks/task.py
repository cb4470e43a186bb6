"""What is benchmarked: rows, targets, and the truth by retraining; the same for every method.

Sets: `digits` (scikit-learn, 500 rows, 10 % planted noise) and any project folder, of which at most
5,000 training rows are used. Two truths, one a question. *A model trained like this one*: the loss
of the targets after retraining one head of 256 units on random halves, and again from another start
for the ceiling. *This model*: the losses of the 16 members that methods read, retrained from their
own start without a random 1 % and 10 % of the rows.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from influence_core.evaluation.retrain import label_losses, random_halves, retrain, without
from influence_core.influence.base import HeadWeights
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

MAX_ROWS = 5000
TARGETS = 30
DROPPED = (0.01, 0.1)  # of the rows, for *this model*


@dataclass(frozen=True)
class Task:
    """One set with its truth. Arrays only, so that it can be sent to another process."""

    name: str
    X: np.ndarray  # (N, d) standardised
    labels: np.ndarray  # (N,)
    keys: np.ndarray  # (N,) uint64
    classes: int
    Xt: np.ndarray  # (T, d) targets, misclassified ones first
    yt: np.ndarray  # (T,)
    wrong: int
    epochs: int  # that the run kept
    weights: np.ndarray  # (N, M) halves
    losses: np.ndarray  # (M, T)
    second: np.ndarray  # (M, T) from another start
    bad: np.ndarray | None  # (N,) rows whose label is known to be wrong
    kept: np.ndarray | None = None  # (N, S) rows of each retraining of this model, DROPPED in turn
    own: np.ndarray | None = None  # (S, 16, T) losses of its members
    device: str = "cpu"  # where other people's estimators compute

    @property
    def rows(self) -> Rows:
        """The training rows."""
        return Rows(raw(self.X), torch.from_numpy(self.labels), as_keys(self.keys))

    def head(self, members: int = 16, width: int = 256, seed: int = 0) -> HeadConfig:
        """The head that every method reads."""
        return HeadConfig(self.X.shape[1], self.classes, members, width, seed=seed)

    def training(self, seed: int = 0) -> HeadTraining:
        """As many epochs as the run kept."""
        return HeadTraining(epochs=self.epochs, seed=seed)

    def small(self, rows: int = 128) -> "Task":
        """A few rows, targets and subsets and one epoch, to try a method on."""
        return replace(
            self,
            X=self.X[:rows],
            labels=self.labels[:rows],
            keys=self.keys[:rows],
            Xt=self.Xt[:8],
            yt=self.yt[:8],
            epochs=1,
            weights=self.weights[:rows, :16],
            kept=None,
            own=None,
        )


def raw(X: np.ndarray) -> Standardised:
    """Rows that are standardised already."""
    d = X.shape[1]
    return Standardised.using(X, torch.zeros(d), torch.ones(d))


def digits(seed: int = 0, rows: int = 500) -> tuple[np.ndarray, ...]:
    """X, labels, known wrong, test X, test labels."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(X))
    X, y = X[order].astype(np.float32), y[order]
    bad = rng.random(rows) < 0.1
    given = y[:rows].copy()
    given[bad] = (given[bad] + rng.integers(1, 10, bad.sum())) % 10
    return X[:rows], given, bad, X[rows:], y[rows:]


def from_project(root: Path) -> tuple[np.ndarray, ...]:
    """X, labels, known wrong (or None), test X, test labels of a project folder."""
    project = Project.open(root)
    train = project.dataset.train
    name = next(n for n in ("test", "valid", *project.dataset.splits) if n != "train")
    split = project.dataset.split(name)
    order = np.sort(np.random.default_rng(0).permutation(len(train))[:MAX_ROWS])
    bad = None
    if "planted" in train.extra_columns:
        bad = np.array([str(v).lower() in ("true", "1", "1.0") for v in train.extra("planted")])
    elif "gold" in train.extra_columns:
        gold = np.array([str(v) for v in train.extra("gold")])
        names = np.array(project.dataset.classes)[train.labels]
        bad = gold != names if set(gold) <= set(project.dataset.classes) else None
    known = np.flatnonzero(np.asarray(split.labels) >= 0)
    return (
        np.asarray(project.features("train"), dtype=np.float32)[order],
        np.array(train.labels)[order],
        None if bad is None else bad[order],
        np.asarray(project.features(name), dtype=np.float32)[known],
        np.array(split.labels)[known],
    )


def make_task(name: str, subsets: int, seed: int = 0, same: int = 0) -> Task:
    """Load a set, train once to choose epochs and targets, retrain for the truth.

    Args:
        same: retrainings of this model for each share of `DROPPED`; 0 leaves that question out.
    """
    X, y, bad, Xt, yt = digits(seed) if name == "digits" else from_project(Path(name))
    fitted = Standardised.fit(X)
    here = fitted.rows(torch.arange(len(X))).numpy()
    there = Standardised.using(Xt, fitted.mean, fitted.scale).rows(torch.arange(len(Xt))).numpy()
    classes = int(max(y.max(), yt.max())) + 1
    keys = np.arange(len(X), dtype=np.uint64) + 1000
    rows = Rows(raw(here), torch.from_numpy(y), as_keys(keys))
    config = HeadConfig(X.shape[1], classes, 16, 256, seed=seed)
    fit = fit_heads(rows, config, HeadTraining(seed=seed))
    proba = HeadWeights(fit.W1, fit.b1, fit.W2, config).proba(torch.from_numpy(there))
    missed = np.flatnonzero(proba.argmax(1).numpy() != yt)
    rng = np.random.default_rng(seed)
    wrong = rng.permutation(missed)[:TARGETS]
    chosen = np.concatenate([wrong, rng.permutation(len(yt))[:TARGETS]])
    weights = random_halves(len(X), subsets, seed=5)
    losses = [
        label_losses(
            retrain(
                replace(rows, weights=weights),
                replace(config, members=1, seed=start),
                HeadTraining(epochs=fit.epochs, seed=start),
                torch.from_numpy(there[chosen]),
            ),
            yt[chosen],
        )
        for start in (1000, 2000)
    ]
    label = name if name == "digits" else Path(name).name
    made = Task(
        label,
        here,
        y,
        keys,
        classes,
        there[chosen],
        yt[chosen],
        len(wrong),
        fit.epochs,
        weights.numpy(),
        losses[0],
        losses[1],
        bad,
    )
    return with_own(made, same) if same else made


def with_own(task: Task, count: int) -> Task:
    """With the truth of *this model*; members never look at each other, so each has its losses."""
    n, rng = len(task.labels), np.random.default_rng(11)
    removed = [rng.permutation(n)[: max(1, round(s * n))] for s in DROPPED for _ in range(count)]
    kept = without(n, removed)
    x = torch.from_numpy(task.Xt)
    seen = retrain(replace(task.rows, weights=kept), task.head(), task.training(), x)
    losses = -np.take_along_axis(seen, task.yt[None, None, :, None], 3)[..., 0]
    return replace(task, kept=kept.numpy(), own=losses)
