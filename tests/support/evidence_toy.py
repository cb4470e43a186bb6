"""A tiny run made up from random numbers, for tests of estimators."""

import numpy as np
import torch

from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.training.features import Standardised
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import TurnoverHead
from influence_core.turnover.masks import as_keys


def evidence(config, n=12, seed=0):
    rng = np.random.default_rng(seed)
    head = TurnoverHead(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for param in head.parameters():
            param.add_(torch.randn(param.shape, generator=generator) * 0.5)
    weights = HeadWeights(head.W1.detach(), head.b1.detach(), head.W2.detach(), config)
    X = Standardised.fit(rng.normal(size=(n, config.features)).astype(np.float32))
    keys = as_keys(rng.integers(0, 2**64, n, dtype=np.uint64))
    labels = torch.from_numpy(rng.integers(0, config.classes, n))
    _, flipped = head.both(X.rows(torch.arange(n)), keys)
    proba = flipped.detach().softmax(-1).mean(0)
    return head, Evidence(X, labels, keys, proba, weights, HeadTraining(epochs=2, batch=4))


def targets(proof, t=3, seed=1):
    rng = np.random.default_rng(seed)
    config = proof.head.config
    x = torch.from_numpy(rng.normal(size=(t, config.features)).astype(np.float32))
    return Targets(x, torch.from_numpy(rng.integers(0, config.classes, t)), proof.head.proba(x))
