import torch
from toy_rows import clouds

from influence_core.evaluation.null_control import null_control
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig, initial_weights

CONFIG = HeadConfig(6, 3, members=8, width=128, seed=2)


def test_the_check_passes_on_a_real_run_and_rows_stand_out_of_the_null():
    rows, _, x, y = clouds(n=150)
    fit = fit_heads(rows, CONFIG, HeadTraining(epochs=10, batch=64, learning_rate=5e-3))
    head = HeadWeights(fit.W1, fit.b1, fit.W2, CONFIG)
    flipped = both_sides(rows.features, rows.labels, rows.keys, head).flipped
    evidence = Evidence(rows.features, rows.labels, rows.keys, torch.from_numpy(flipped), head)
    found = null_control(evidence, Targets(x[:20], torch.from_numpy(y[:20]), head.proba(x[:20])))
    assert found.passed
    assert found.signal > 1.1
    assert 0.1 < found.allowed < 0.3
    assert found.targets == 20


def test_a_head_that_learned_nothing_has_no_signal():
    """Random weights: no row taught anything, so the rows' scores are the null itself."""
    rows, _, x, y = clouds(n=2000)
    rng = torch.Generator().manual_seed(0)
    start = initial_weights(CONFIG)
    nudged = [w + 0.1 * torch.randn(w.shape, generator=rng) for w in start]  # twins start equal
    head = HeadWeights(*nudged, CONFIG)
    flipped = torch.full((2000, 3), 1 / 3)
    evidence = Evidence(rows.features, rows.labels, rows.keys, flipped, head)
    found = null_control(evidence, Targets(x[:20], torch.from_numpy(y[:20]), head.proba(x[:20])))
    assert 0.9 < found.signal < 1.1
    assert found.calls < 5
