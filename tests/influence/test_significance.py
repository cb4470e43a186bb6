from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_rows import clouds

from influence_core.errors import ModelError
from influence_core.influence import estimator
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.influence.significance import (
    Null,
    benjamini_hochberg,
    fresh_keys,
    null_scores,
    significance,
)
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

CONFIG = HeadConfig(6, 3, members=8, width=128, seed=2)
RATE = 0.1


def trained(rows):
    fit = fit_heads(rows, CONFIG, HeadTraining(epochs=12, batch=64, learning_rate=5e-3))
    head = HeadWeights(fit.W1, fit.b1, fit.W2, CONFIG)
    flipped = both_sides(rows.features, rows.labels, rows.keys, head).flipped
    return Evidence(rows.features, rows.labels, rows.keys, torch.from_numpy(flipped), head)


@pytest.fixture(scope="module")
def world():
    rows, _, x, y = clouds(n=150)
    proof = trained(rows)
    labels = torch.from_numpy(y[:12])
    return proof, Targets(x[:12], labels, proof.head.proba(x[:12]))


def test_fresh_keys_are_new_and_as_many_as_asked():
    taken = fresh_keys(50, np.array([], dtype=np.uint64))
    fresh = fresh_keys(50, taken)
    assert len(set(fresh.tolist())) == 50
    assert not set(fresh.tolist()) & set(taken.tolist())


def test_p_values_of_keys_that_were_never_trained_on_are_uniform(world):
    """Down to one in a thousand, pooled over targets; on the cautious side further out."""
    proof, goal = world
    null, other = null_scores(proof, goal, 4000, seed=1), null_scores(proof, goal, 8_000, seed=2)
    p = np.concatenate([Null.fit(a, True).p_values(b) for a, b in zip(null, other, strict=True)])
    for level in (0.5, 0.1, 0.01, 0.001):
        assert 0.4 * level < np.mean(p <= level) < 1.35 * level
    assert np.mean(p <= 1e-4) < 3e-4


def test_share_called_on_pure_noise_is_at_most_the_rate(world):
    """Benjamini-Hochberg on nulls: the chance of calling anything at all is at most the rate."""
    proof, goal = world
    wrong = 0
    rounds = 6
    for seed in range(rounds):
        fresh = fresh_keys(1000, proof.keys.numpy().view(np.uint64), seed=100 + seed)
        noise = replace(proof, keys=as_keys(fresh))
        scores = estimator("turnover").prepare(noise).query(goal).scores(slice(0, 1000)).scores
        found = significance(noise, goal, scores.numpy(), rate=RATE, seed=seed)
        wrong += int(found.beyond.any(axis=1).sum())
        assert found.beyond.mean() <= RATE
    trials = rounds * len(goal)
    assert wrong <= trials * RATE + 3 * np.sqrt(trials * RATE * (1 - RATE))


def test_duplicates_of_the_target_with_a_wrong_label_are_found():
    rows, _, x, y = clouds(n=150, noise=0.0)
    target = x[0]
    X = torch.cat([rows.features.rows(torch.arange(150)), target.repeat(3, 1)])
    wrong = torch.full((3,), (int(y[0]) + 1) % 3)
    planted = Rows(
        Standardised.fit(X.numpy()),
        torch.cat([rows.labels, wrong]),
        torch.cat([rows.keys, torch.tensor([11, 12, 13])]),
    )
    proof = trained(planted)
    here = planted.features.rows(torch.tensor([150]))
    goal = Targets(here, torch.from_numpy(y[:1]), proof.head.proba(here))
    scores = estimator("turnover").prepare(proof).query(goal).scores(slice(0, 153)).scores
    found = significance(proof, goal, scores.numpy())
    assert found.beyond[0, 150:].all()
    assert (scores[0, 150:] < 0).all()
    assert "stand out" in found.sentence(0)


def test_where_nothing_clears_the_noise_it_says_so_and_offers_others(world):
    proof, goal = world
    found = significance(proof, goal, np.zeros((12, 150), dtype=np.float32))
    assert not found.beyond.any()
    assert "no clear row" in found.sentence(0)
    assert "flipped-ridge" in found.sentence(0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40), st.sampled_from([0.05, 0.1, 0.5]))
def test_benjamini_hochberg_is_the_largest_passing_rank(p_values, rate):
    ranked = sorted(p_values)
    n = len(ranked)
    cut = max((p for k, p in enumerate(ranked, 1) if p <= rate * k / n), default=-1.0)
    assert benjamini_hochberg(np.array(p_values), rate).tolist() == [p <= cut for p in p_values]


def test_p_values_fall_as_scores_grow_and_never_reach_zero():
    rng = np.random.default_rng(0)
    model = Null.fit(rng.normal(size=1000), symmetric=False)
    p = model.p_values(np.linspace(0, 12, 200))
    assert (np.diff(p[20:]) <= 1e-12).all()
    assert p.min() > 0
    assert p[0] > 0.9


def test_heavy_tails_are_not_taken_for_influence():
    """A null of Student's t with 4 degrees of freedom: a normal tail would call thousands."""
    rng = np.random.default_rng(1)
    model = Null.fit(rng.standard_t(4, 4000), symmetric=True)
    assert np.mean(model.p_values(rng.standard_t(4, 200_000)) <= 1e-4) < 3e-4


def test_too_few_keys_are_refused():
    with pytest.raises(ModelError, match="at least 100"):
        Null.fit(np.zeros(10), symmetric=True)


def test_a_null_without_any_spread_calls_no_equal_score_significant():
    model = Null.fit(np.zeros(200), symmetric=True)
    np.testing.assert_array_equal(model.p_values(np.zeros(5)), 1.0)
    assert model.p_values(np.array([1.0, -1.0])).max() < 1e-9
