import numpy as np
import pytest
import torch
from evidence_toy import evidence, targets
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from influence_core.evaluation.lds import (
    Interval,
    lds,
    noise_ceiling,
    rank_correlation,
    subset_sums,
)
from influence_core.evaluation.retrain import random_halves
from influence_core.influence import estimator
from influence_core.turnover.head import HeadConfig


@given(st.integers(0, 99), st.integers(3, 12), st.booleans())
def test_rank_correlation_is_spearmans(seed, groups, ties):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 4, groups))
    if ties:
        a, b = a.round(), b.round(1)
    a[0, :2] = (-9, 9)  # never constant
    out = rank_correlation(a, b)
    for t in range(4):
        if len(set(a[t])) > 1 and len(set(b[t])) > 1:
            assert out[t] == pytest.approx(spearmanr(a[t], b[t]).statistic)
        else:
            assert np.isnan(out[t])


def test_scores_that_equal_the_truth_reach_one_and_their_negative_minus_one():
    rng = np.random.default_rng(0)
    effects, weights = rng.normal(size=(5, 40)), random_halves(40, 30).numpy()
    sums = effects @ weights
    assert lds(sums, -sums.T) == pytest.approx(1.0)
    assert lds(-sums, -sums.T) == pytest.approx(-1.0)


def test_subset_sums_equal_the_sum_over_each_subset():
    _, proof = evidence(HeadConfig(4, 3, members=2, width=8), n=25)
    query = estimator("flipped-ridge").prepare(proof).query(targets(proof))
    weights = random_halves(25, 6)
    scores = query.scores(slice(0, 25)).scores.numpy()
    out = subset_sums(query, weights)
    for g in range(6):
        slow = sum(scores[:, i] for i in range(25) if weights[i, g])
        assert np.allclose(out[:, g], slow, atol=1e-5)


def test_noise_ceiling_is_what_a_perfect_estimator_reaches():
    """Two noisy observations of one truth: the truth's own LDS is the ceiling."""
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(50, 400))
    first, second = (-(truth + rng.normal(size=truth.shape)).T for _ in range(2))
    assert lds(truth, first).mean() == pytest.approx(noise_ceiling(first, second).mean(), abs=0.03)


def test_interval_covers_the_mean_nineteen_times_in_twenty():
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        found = Interval.of(rng.normal(loc=3, size=8))
        hits += abs(found.mean - 3) <= found.half
    assert 365 <= hits <= 395


def test_interval_leaves_out_what_is_not_a_number():
    assert Interval.of(np.array([1.0, np.nan, 3.0])).count == 2
    assert np.isnan(Interval.of(np.array([np.nan])).mean)
    assert torch.isnan(torch.tensor(Interval.of(np.array([2.0])).half))
