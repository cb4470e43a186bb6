import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.splitting import cut_shares

rows = st.lists(st.tuples(st.integers(-1, 3), st.integers(0, 20)), min_size=1, max_size=80)
seeds = st.integers(0, 2**40)


def _cut(pairs, seed, shares=(0.2, 0.1)):
    labels, groups = (np.array(column) for column in zip(*pairs, strict=True))
    return cut_shares(labels, groups.astype(np.uint64), shares, seed)


@given(rows, seeds)
def test_equal_contents_never_straddle_a_cut(pairs, seed):
    parts: dict[int, set[int]] = {}
    for (_, group), part in zip(pairs, _cut(pairs, seed), strict=True):
        parts.setdefault(group, set()).add(int(part))
    assert all(len(found) == 1 for found in parts.values())


@given(rows, seeds, st.randoms(use_true_random=False))
def test_a_row_falls_on_the_same_side_in_any_order(pairs, seed, random):
    order = random.sample(range(len(pairs)), len(pairs))
    shuffled = _cut([pairs[i] for i in order], seed)
    assert shuffled.tolist() == _cut(pairs, seed)[order].tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=200), seeds)
def test_every_class_is_cut_in_the_same_shares_and_keeps_a_row(labels, seed):
    parts = _cut([(label, i) for i, label in enumerate(labels)], seed)
    labels = np.array(labels)
    for label in np.unique(labels):
        count = int((labels == label).sum())
        sizes = np.bincount(parts[labels == label], minlength=3)
        assert sizes[0] >= 1
        assert abs(sizes[1] - 0.2 * count) <= 1
        assert abs(sizes[1] + sizes[2] - 0.3 * count) <= 1


def test_another_seed_cuts_other_rows():
    pairs = [(i % 2, i) for i in range(100)]
    assert _cut(pairs, 0).tolist() != _cut(pairs, 1).tolist()


def test_no_share_cuts_nothing():
    assert not _cut([(0, 1), (1, 2)], 0, shares=()).any()
