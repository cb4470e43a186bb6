from dataclasses import replace

import numpy as np
import pytest
import torch

from influence_core.evaluation.retrain import label_losses, retrain
from influence_core.evaluation.smoothness import STEP, nudged, smoothness
from influence_core.training.features import Standardised
from influence_core.training.heads.replay import weight_gradients
from influence_core.training.heads.tape import Tape
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys


def test_each_row_counts_a_little_more_or_less_in_each_direction():
    weights = nudged(500, seed=3)
    assert weights.shape == (500, 8)
    assert set(np.unique(weights.numpy().round(9))) == {1 - STEP, 1 + STEP}
    assert abs(float(weights.mean()) - 1) < 0.01
    assert torch.equal(weights, nudged(500, seed=3))


def test_it_is_pearsons_correlation_of_each_target():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 5, 8))
    wanted = [np.corrcoef(x, y)[0, 1] for x, y in zip(a, b, strict=True)]
    assert smoothness(a, b) == pytest.approx(wanted)
    assert smoothness(a, 3 * a + 1) == pytest.approx(np.ones(5))
    assert np.isnan(smoothness(a, np.ones((5, 8)))).all()


def weak_signal(n=2000, d=300):
    """Rows of which a head learns little by little, with 20 targets and their labels."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n + 20)
    X = rng.normal(size=(n + 20, d)).astype(np.float32)
    X[:, 0] += y - 0.5
    features = Standardised.fit(X[:n])
    x = Standardised.using(X[n:], features.mean, features.scale).rows(torch.arange(20))
    keys = as_keys(rng.integers(0, 2**64, n, dtype=np.uint64))
    return Rows(features, torch.from_numpy(y[:n]), keys), x, y[n:]


def test_adam_with_a_tiny_eps_is_shown_to_be_jagged():
    """A real training and its real derivative, under both settings."""
    rows, x, y = weak_signal()
    config = HeadConfig(300, 2, members=2, width=32)
    weights = nudged(2000, seed=0).float()

    def measured(eps):
        training = HeadTraining(epochs=2, batch=1000, learning_rate=2e-3, eps=eps)
        seen = retrain(replace(rows, weights=weights), config, training, x)
        tape = Tape(rows, config, training, range(2), 1 << 28)
        told = weight_gradients(tape, x, torch.from_numpy(y), torch.eye(20)).sum(1)
        return smoothness((told @ weights).numpy(), label_losses(seen, y).T).mean()

    assert measured(1e-4) > measured(1e-8) + 0.15
