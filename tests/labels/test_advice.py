import numpy as np
import pytest

from influence_core.labels.advice import LEAST, estimate_left


def review(n, share, seed, a=0.0, b=1.0):
    """Labels that are wrong as the model says, and a reviewer who went down part of the queue."""
    rng = np.random.default_rng(seed)
    p = rng.beta(4, 1, n)
    z = a + b * np.log((1 - p) / p)
    wrong = rng.random(n) < 1 / (1 + np.exp(-z))
    order = np.argsort(p, kind="stable")
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    decided = rank < share * n
    return p, decided, wrong, rank


@pytest.mark.parametrize(("a", "b", "share"), [(0, 1, 0.1), (-1, 1.2, 0.2), (0.5, 0.8, 0.3)])
def test_the_interval_holds_the_truth_about_as_often_as_it_says(a, b, share):
    inside = 0
    for seed in range(60):
        p, decided, wrong, rank = review(1000, share, seed, a, b)
        found = estimate_left(p, decided, wrong & decided, rank, seed)
        inside += found.low <= (wrong & ~decided).sum() <= found.high
    assert inside >= 0.85 * 60


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("hidden", [0.0, 0.3])
def test_it_holds_too_where_wrong_labels_do_not_follow_the_curve(hidden, share):
    """5 % are wrong; a part of them looks like right labels."""
    inside = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        wrong = rng.random(2000) < 0.05
        shown = wrong & (rng.random(2000) >= hidden)
        p = np.where(shown, rng.beta(1, 5, 2000), rng.beta(8, 1, 2000))
        rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
        decided = rank < share * 2000
        found = estimate_left(p, decided, wrong & decided, rank, seed)
        inside += found.low <= (wrong & ~decided).sum() <= found.high
    assert inside >= 0.75 * 30  # the model is wrong here, so less than the 90 % that it says


def test_rows_without_a_label_are_never_counted_as_left():
    p, decided, wrong, rank = review(500, 0.2, 4)
    more = np.concatenate([p, np.full(50, np.nan)])
    none = np.zeros(50, bool)
    with_them = estimate_left(
        more,
        np.concatenate([decided, none]),
        np.concatenate([wrong & decided, none]),
        np.arange(550) + np.concatenate([rank - np.arange(500), np.zeros(50, int)]),
    )
    assert with_them == estimate_left(p, decided, wrong & decided, rank)


def test_more_decisions_make_a_narrower_interval():
    widths = []
    for share in (0.05, 0.2, 0.6):
        p, decided, wrong, rank = review(2000, share, 1)
        found = estimate_left(p, decided, wrong & decided, rank)
        widths.append(found.high - found.low)
    assert widths[0] > widths[1] > widths[2]


def test_few_decisions_give_no_number():
    p, _, wrong, rank = review(100, 0.1, 0)
    decided = rank < LEAST - 1
    found = estimate_left(p, decided, wrong & decided, rank)
    assert found.left is None
    assert "1 more decisions" in found.sentence


def test_the_number_is_told_only_where_its_interval_is_narrow():
    told = set()
    for share in (0.02, 0.05, 0.2, 0.6):
        p, decided, wrong, rank = review(2000, share, 1, a=1.0)
        found = estimate_left(p, decided, wrong & decided, rank)
        assert found.certain == (found.high < 3 * max(found.low, 1))
        assert ("are left" in found.sentence) == found.certain
        assert "Of the next 50 rows" in found.sentence
        told.add(found.certain)
    assert told == {False, True}


def test_when_everything_is_decided_nothing_is_left():
    p, _, wrong, rank = review(100, 0.1, 0)
    found = estimate_left(p, np.ones(100, bool), wrong, rank)
    assert (found.left, found.low, found.high) == (0, 0, 0)
    assert found.sentence == "Every row is decided."


def test_it_says_stop_only_where_the_next_rows_are_clean():
    p, decided, wrong, rank = review(2000, 0.9, 3)
    assert "stop" in estimate_left(p, decided, wrong & decided, rank).sentence
    p, decided, wrong, rank = review(2000, 0.02, 3, a=1.0)
    assert "going on" in estimate_left(p, decided, wrong & decided, rank).sentence


def test_a_seed_gives_the_same_twice_and_extremes_stay_finite():
    p, decided, _, rank = review(500, 0.2, 4)
    p[:5] = [0.0, 1.0, 0.0, 1.0, 0.5]
    assert estimate_left(p, decided, decided, rank) == estimate_left(p, decided, decided, rank)
    assert np.isfinite(estimate_left(p, decided, ~decided & False, rank).left)
