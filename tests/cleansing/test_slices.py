"""Slices: found as a search of everything finds them, and judged as the formula says."""

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import beta, t

from influence_core.cleansing.slices import (
    LEVEL,
    class_means,
    distinct,
    loss_of,
    measure,
    search,
    within,
)


def rows(seed=0, n=1200, columns=6, values=5):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, values, (n, columns)).astype(np.int32)
    labels = rng.integers(0, 3, n)
    wrong = rng.random(n) < np.array([0.05, 0.1, 0.3])[labels]
    return rng, codes, labels, wrong


def loss(wrong):
    """Of a model that is always sure."""
    return loss_of(1.0 - wrong)


def every(codes, least):
    """All conjunctions of one or two predicates with so many rows."""
    found = [
        (column, int(code)) for column in range(codes.shape[1])
        for code in np.unique(codes[:, column]) if code
    ]  # fmt: skip
    pairs = [p for p in combinations(found, 2) if p[0][0] != p[1][0]]
    slices = [*((one,) for one in found), *pairs]
    return [p for p in slices if within(codes, p).sum() >= least]


@pytest.mark.parametrize("planted", [((2, 3),), ((1, 2), (4, 1))])
def test_the_worst_of_all_slices_comes_first(planted):
    rng, codes, labels, wrong = rows()
    held = within(codes, planted)
    wrong |= held & (rng.random(len(held)) < 0.6)
    first = search(codes, loss(wrong), labels, least=20)[0]
    rate = class_means(wrong, labels)

    def excess(slice_):
        own = within(codes, slice_)
        return (wrong[own].sum() - rate[own].sum()) / np.sqrt(rate[own].sum())

    assert first == planted
    assert max(every(codes, 20), key=lambda p: excess(p) - len(p)) == planted


def test_a_hard_class_is_no_slice():
    _, codes, labels, wrong = rows()
    codes[:, 0] = labels + 1  # a column that says the class
    found = search(codes, loss(wrong), labels, least=20)
    assert ((0, 3),) not in found  # class 2, with three times the mean rate


def test_what_is_absent_is_never_stated():
    rng, codes, labels, wrong = rows()
    codes[:, 5] = rng.random(len(codes)) < 0.1
    wrong |= (codes[:, 5] == 0) & (codes[:, 2] == 3) & (rng.random(len(codes)) < 0.5)
    found = search(codes, loss(wrong), labels, least=20)
    assert all(code for slice_ in found for _, code in slice_)
    assert ((2, 3),) in found


def test_intervals_are_exact_and_share_their_level():
    rng, codes, labels, wrong = rows()
    masks = [codes[:, 0] == 1, codes[:, 1] == 2, np.arange(len(codes)) < 3]
    cost = loss_of(rng.random(len(wrong)) * np.where(wrong, 0.5, 1.0))
    first, second, small = measure(masks, wrong, cost, labels, least=10)
    assert small is None
    level = LEVEL / 2 / 2  # two judged slices, two sides
    for found, mask in ((first, masks[0]), (second, masks[1])):
        k, n = wrong[mask].sum(), mask.sum()
        assert (found.size, found.errors) == (n, k)
        assert found.low == pytest.approx(beta.ppf(level, k, n - k + 1))
        assert found.high == pytest.approx(beta.ppf(1 - level, k + 1, n - k))
        per_class = [wrong[labels == c].mean() for c in range(3)]
        assert found.expected == pytest.approx(np.mean([per_class[c] for c in labels[mask]]))
        excess = cost - np.array([cost[labels == c].mean() for c in range(3)])[labels]
        inside = np.array([(excess[labels == c] ** 2).mean() for c in range(3)])[labels][mask]
        own = excess[mask]
        reach = t.ppf(1 - level, n - 1) * np.sqrt(max(own.var(ddof=1), inside.mean()) / n)
        assert found.excess == pytest.approx(own.mean())
        assert found.excess_low == pytest.approx(own.mean() - reach)
        assert found.excess_high == pytest.approx(own.mean() + reach)
        assert found.beyond == (found.excess_low > 0)


def test_rows_that_agree_by_chance_are_no_proof():
    _, _, labels, wrong = rows()
    wrong[:] = np.arange(len(wrong)) % 2
    few = np.zeros(len(wrong), bool)
    few[np.flatnonzero(wrong)[:5]] = True  # all wrong: one in 32 where half of all are
    [found] = measure([few], wrong, loss(wrong), labels, least=5)
    assert found.errors == found.size == 5
    assert not found.beyond


def test_labels_that_a_sure_model_denies_count_more_than_those_it_doubts():
    rng, codes, labels, wrong = rows()
    held = codes[:, 1] == 2
    wrong[:] = rng.random(len(wrong)) < 0.3
    sure = loss_of(np.where(wrong, np.where(held, 0.02, 0.4), 0.8))
    assert search(codes, sure, labels, least=20)[0] == ((1, 2),)
    [found] = measure([held], wrong, sure, labels, least=20)
    assert found.beyond
    assert found.low < found.expected < found.high  # by errors alone nothing stands out


def test_of_slices_much_alike_the_first_stays_and_conjunctions_within_it_go():
    whole, most, part, other = np.zeros((4, 100), bool)
    whole[:40], most[:30], part[:10], other[60:] = True, True, True, True
    assert distinct([whole, most, part, other]) == [0, 2, 3]
    assert distinct([whole, most, part, other], [False, False, True, False]) == [0, 3]
    assert distinct([]) == []


def test_of_a_hundred_data_sets_without_a_slice_few_report_one():
    false = 0
    for seed in range(100):
        _, codes, labels, wrong = rows(seed, n=900)
        half = np.arange(len(codes)) < 500
        cost = loss(wrong)
        found = search(codes[half], cost[half], labels[half], least=20)
        masks = [within(codes[~half], predicates) for predicates in found]
        judged = measure(masks, wrong[~half], cost[~half], labels[~half], least=10)
        false += any(one is not None and one.beyond for one in judged)
    assert false <= 5


def test_nothing_to_search_is_no_slice():
    _, codes, labels, wrong = rows(n=60)
    assert search(codes, np.zeros(60), labels, 20) == []
    assert search(codes[:, :0], loss(wrong), labels, 20) == []
    assert search(codes[:30], loss(wrong[:30]), labels[:30], 20) == []
    none = np.zeros(0, bool)
    assert measure([], none, loss(none), none.astype(int), 10) == []
    assert measure([none], none, loss(none), none.astype(int), 10) == [None]
