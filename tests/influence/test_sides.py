import threading

import head_oracle as oracle
import numpy as np
import pytest
import torch

from influence_core.errors import CancelledError
from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import both_sides
from influence_core.training.features import Standardised
from influence_core.turnover.head import HeadConfig, TurnoverHead
from influence_core.turnover.masks import as_keys


def made(members=3, rows=5, seed=2):
    rng = np.random.default_rng(seed)
    config = HeadConfig(3, 4, members=members, width=10, seed=seed)
    head = TurnoverHead(config)
    with torch.no_grad():
        for param in head.parameters():
            noise = rng.normal(size=param.shape).astype(np.float32)
            param.add_(torch.from_numpy(noise) * 0.3)
    weights = HeadWeights(head.W1.detach(), head.b1.detach(), head.W2.detach(), config)
    X = Standardised.fit(rng.normal(size=(rows, 3)).astype(np.float32))
    keys = as_keys(rng.integers(0, 2**64, rows, dtype=np.uint64))
    return head, weights, X, torch.from_numpy(rng.integers(0, 4, rows)), keys


def softmax(values):
    exps = np.exp(np.array(values) - max(values))
    return exps / exps.sum()


def test_sides_equal_the_oracle_row_by_row():
    head, weights, X, labels, keys = made()
    out = both_sides(X, labels, keys, weights)
    for i in range(5):
        x = X.rows(torch.tensor([i]))[0].tolist()
        key = int(keys[i].numpy().view(np.uint64))
        learned, flipped = zip(
            *(
                (softmax(a), softmax(b))
                for a, b, _ in (oracle.sides(head, e, x, key) for e in range(3))
            ),
            strict=True,
        )
        assert np.allclose(out.learned[i], np.mean(learned, 0), atol=1e-5)
        assert np.allclose(out.flipped[i], np.mean(flipped, 0), atol=1e-5)
        mean, error = oracle.influence(head, x, int(labels[i]), key)
        assert out.self_influence[i] == pytest.approx(mean, abs=1e-4)
        assert out.stderr[i] == pytest.approx(error, abs=1e-4)


def test_a_single_member_has_no_error_bar():
    _, weights, X, labels, keys = made(members=1)
    out = both_sides(X, labels, keys, weights)
    assert np.isnan(out.stderr).all()
    assert np.isfinite(out.self_influence).all()


def test_cancel_stops_between_chunks():
    _, weights, X, labels, keys = made()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        both_sides(X, labels, keys, weights, cancel=cancel)
