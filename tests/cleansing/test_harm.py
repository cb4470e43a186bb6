import numpy as np
import pytest
import torch

from influence_core.cleansing.harm import harm, local_measure
from influence_core.errors import DataError
from influence_core.influence import ESTIMATORS, estimator
from influence_core.influence import scan as module
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.training.features import Standardised
from influence_core.turnover.head import HeadConfig, TurnoverHead
from influence_core.turnover.masks import as_keys


@pytest.fixture(scope="module")
def evidence():
    rng = np.random.default_rng(0)
    config = HeadConfig(4, 3, members=3, width=16)
    head = TurnoverHead(config)
    with torch.no_grad():
        head.W2.add_(torch.randn(head.W2.shape, generator=torch.Generator().manual_seed(1)))
    weights = HeadWeights(head.W1.detach(), head.b1.detach(), head.W2.detach(), config)
    X = Standardised.fit(rng.normal(size=(60, 4)).astype(np.float32))
    keys = as_keys(np.arange(60, dtype=np.uint64))
    flipped = head.flipped(X.rows(torch.arange(60)), keys).detach().softmax(-1).mean(0)
    return Evidence(X, torch.from_numpy(rng.integers(0, 3, 60)), keys, flipped, weights)


@pytest.mark.parametrize("name", ["turnover", "flipped-ridge"])
@pytest.mark.parametrize("at_a_time", [1, 4, 100])
def test_harm_is_the_mean_over_targets_whatever_the_batches(evidence, name, at_a_time, monkeypatch):
    monkeypatch.setattr(module, "TARGETS_AT_A_TIME", at_a_time)
    rng = np.random.default_rng(2)
    x = torch.from_numpy(rng.normal(size=(9, 4)).astype(np.float32))
    y = torch.from_numpy(rng.integers(0, 3, 9))
    ready = estimator(name).prepare(evidence)
    targets = Targets(x, y, evidence.head.proba(x))
    found = harm(local_measure(ready, 60), targets)
    scores = ready.query(targets).scores(slice(0, 60)).scores.numpy()
    np.testing.assert_allclose(found.score, scores.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.stderr, scores.std(0, ddof=1) / 3, atol=1e-4)
    assert found.score.argmin() == scores.mean(0).argmin()
    assert name in ESTIMATORS


def test_an_empty_target_split_is_refused(evidence):
    empty = Targets(torch.empty(0, 4), torch.empty(0, dtype=torch.long), torch.empty(0, 3))
    with pytest.raises(DataError, match="no labelled item"):
        harm(local_measure(estimator("turnover").prepare(evidence), 60), empty)
