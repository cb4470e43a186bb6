"""Three clouds of points with some wrong labels: rows that a head learns within a second."""

import numpy as np
import torch

from influence_core.training.features import Standardised
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

CONFIG = HeadConfig(6, 3, members=2, width=16, seed=1)
TRAINING = HeadTraining(epochs=6, batch=32, learning_rate=5e-3, seed=5)


def clouds(n=90, seed=0, noise=0.1, spread=1.0):
    """Rows, the true labels, and 60 targets with their labels."""
    rng = np.random.default_rng(seed)

    def draw(count):
        y = rng.integers(0, 3, count)
        X = rng.normal(size=(count, 6)).astype(np.float32) * spread
        X[np.arange(count), y] += 2
        return X, y

    X, y = draw(n)
    given = np.where(rng.random(n) < noise, (y + rng.integers(1, 3, n)) % 3, y)
    features = Standardised.fit(X)
    keys = as_keys(rng.integers(0, 2**64, n, dtype=np.uint64))
    Xt, yt = draw(60)
    x = Standardised.using(Xt, features.mean, features.scale).rows(torch.arange(60))
    return Rows(features, torch.from_numpy(given), keys), y, x, yt
