import numpy as np
import pytest
from scipy import stats

from influence_core.cleansing.verdict import Difference, paired, verdict


def test_the_interval_is_scipys_paired_t():
    rng = np.random.default_rng(0)
    before = rng.normal(0.7, 0.02, 10)
    after = before + rng.normal(0.01, 0.005, 10)
    ours = paired(after, before)
    theirs = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
    assert ours.clear


def test_one_pair_shows_nothing():
    assert not paired(np.array([0.9]), np.array([0.1])).clear


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        gaps = rng.normal(0.3, 1.0, 8)
        found = paired(gaps, np.zeros(8))
        hits += found.low <= 0.3 <= found.high
    assert 930 <= hits <= 970


def test_other_items_count_as_well_as_other_seeds():
    """An effect on items that is the same for each seed, and none on average."""
    rng = np.random.default_rng(2)
    hits = seeds_only = 0
    for _ in range(400):
        gaps = rng.normal(0, 1, 200) + rng.normal(0, 0.3, (10, 1)) + rng.normal(0, 0.3, (10, 200))
        found = paired(gaps, np.zeros((10, 200)))
        hits += not found.clear
        seeds_only += not paired(gaps.mean(1), np.zeros(10)).clear
    assert hits / 400 >= 0.93
    assert seeds_only / 400 < hits / 400


def test_random_draws_are_one_more_axis():
    rng = np.random.default_rng(3)
    after = rng.normal(0, 1, (10, 50))
    before = rng.normal(0, 0.1, (3, 10, 50))
    wide = paired(after, before + np.array([-1.0, 0.0, 1.0])[:, None, None])
    narrow = paired(after, before)
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
    assert wide.pairs == 10


def test_equal_results_differ_by_nothing():
    found = paired(np.ones((4, 5), dtype=bool), np.ones((4, 5), dtype=bool))
    assert (found.low, found.high, found.clear) == (0.0, 0.0, False)


@pytest.mark.parametrize(
    ("none", "random", "beginning"),
    [
        ((0.01, 0.03), (0.01, 0.03), "This helps"),
        ((0.01, 0.03), (-0.01, 0.03), "Better than before, but no clearer"),
        ((-0.01, 0.03), (0.01, 0.03), "No evidence that this helps"),
        ((-0.03, -0.01), (-0.03, 0.01), "This makes it worse"),
    ],
)
def test_the_words_follow_the_intervals(none, random, beginning):
    made = [Difference(sum(i) / 2, *i, 10) for i in (none, random)]
    assert verdict(*made, "test").startswith(beginning)
