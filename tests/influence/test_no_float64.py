"""Apple's GPUs have no float64: what is computed in it is brought to the CPU before."""

import numpy as np
import pytest
import torch
from card import card

from benchmarks.gpu_cases import TINY, _rows, _run
from influence_core.evaluation import lds
from influence_core.evaluation.retrain import retrain, without
from influence_core.influence import ESTIMATORS, estimator
from influence_core.influence.scan import mean_over, scan
from influence_core.influence.sides import both_sides
from influence_core.influence.significance import null_scores
from influence_core.labels.neighbours import nearest
from influence_core.models.device import exact
from influence_core.turnover.head import HeadConfig

ROWS = TINY.rows


@pytest.fixture
def there():
    with card(doubles=False):
        evidence, targets = _run(torch.device("cuda"), TINY)
        yield evidence, targets[:3]


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_scores_and_judges(there, name):
    evidence, targets = there
    prepared = estimator(name).prepare(evidence)
    assert len(scan(prepared.query(targets), ROWS, k=3).helpful) == 3
    assert np.isfinite(mean_over(prepared, targets, ROWS).mean).all()


def test_sides_neighbours_noise_and_retrainings(there):
    evidence, targets = there
    assert both_sides(evidence.features, evidence.labels, evidence.keys, evidence.head)
    assert nearest(evidence.features, ROWS)[0].shape == (ROWS, 10)
    assert null_scores(evidence, targets, 200).shape == (3, 200)
    rows, _, how = _rows(torch.device("cuda"), TINY)
    rows = type(rows)(rows.features, rows.labels, rows.keys, without(ROWS, [np.arange(3)]))
    config = HeadConfig(targets.features.shape[1], 2, 2, 16)
    assert retrain(rows, config, how, targets.features).shape == (1, 2, 3, 2)


def test_sums_of_an_evaluation(there, monkeypatch):
    evidence, targets = there
    query = estimator("flipped-ridge").prepare(evidence).query(targets)
    halves = torch.arange(ROWS)[:, None] % 2 == torch.arange(2)
    with pytest.raises(TypeError, match="float64"):  # a device of the kind "cuda" is asked for it
        lds.subset_sums(query, halves)
    monkeypatch.setattr(lds, "exact", lambda tensor: exact(tensor.cpu()))
    assert lds.subset_sums(query, halves).shape == (3, 2)
