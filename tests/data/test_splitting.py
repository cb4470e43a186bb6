import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.keys import content_hashes
from influence_core.data.splitting import cut_groups, cut_shares, joined_groups

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
        if np.bincount(labels).max() >= 10:  # else a part could stay empty, and classes are one
            assert abs(sizes[1] - 0.2 * count) <= 1
            assert abs(sizes[1] + sizes[2] - 0.3 * count) <= 1


def test_another_seed_cuts_other_rows():
    pairs = [(i % 2, i) for i in range(100)]
    assert _cut(pairs, 0).tolist() != _cut(pairs, 1).tolist()


def test_no_share_cuts_nothing():
    assert not _cut([(0, 1), (1, 2)], 0, shares=()).any()


people = st.lists(
    st.tuples(st.integers(-1, 3), st.integers(0, 30), st.integers(0, 12)), min_size=1, max_size=80
)


def _cut_people(triples, seed, shares=(0.2, 0.1)):
    labels, contents, groups = (np.array(column) for column in zip(*triples, strict=True))
    hashes, named = contents.astype(np.uint64), groups.astype(np.uint64)
    together = joined_groups(hashes, named, groups == 0)  # number 0 stands for no group
    return cut_groups(labels, together, shares, seed)


@given(people, seeds)
def test_no_group_and_no_copy_stands_on_two_sides(triples, seed):
    sides: dict[tuple[str, int], set[int]] = {}
    for (_, content, group), part in zip(triples, _cut_people(triples, seed), strict=True):
        sides.setdefault(("content", content), set()).add(int(part))
        if group:
            sides.setdefault(("group", group), set()).add(int(part))
    assert all(len(found) == 1 for found in sides.values())


@given(people, seeds)
def test_every_class_keeps_a_group_in_the_rest(triples, seed):
    parts = _cut_people(triples, seed)
    labels = np.array([label for label, _, _ in triples])
    assert set(labels[parts == 0].tolist()) == set(labels.tolist())


@given(people, seeds, st.randoms(use_true_random=False))
def test_groups_fall_on_the_same_side_in_any_order(triples, seed, random):
    order = random.sample(range(len(triples)), len(triples))
    shuffled = _cut_people([triples[i] for i in order], seed)
    assert shuffled.tolist() == _cut_people(triples, seed)[order].tolist()


def test_groups_are_stratified():
    rng = np.random.default_rng(0)
    mixed = [
        (int(rng.random() < (0.2, 0.8)[group % 2]), 40 * group + i, group + 1)
        for group in range(60)
        for i in range(int(rng.integers(5, 40)))
    ]
    parts, labels = _cut_people(mixed, 3), np.array([label for label, _, _ in mixed])
    for label in (0, 1):
        sizes = np.bincount(parts[labels == label], minlength=3) / (labels == label).sum()
        assert np.abs(sizes - (0.7, 0.2, 0.1)).max() < 0.03


@pytest.mark.parametrize("twice", [2, 5, 40, 100])
def test_classes_of_one_or_two_rows_still_give_every_part_some_and_keep_one(twice):
    labels = np.r_[np.arange(100), np.arange(twice)]
    parts = cut_shares(labels, content_hashes(f"t{i}" for i in range(len(labels))), (0.15, 0.15), 3)
    assert set(labels[parts == 0].tolist()) == set(range(100))
    counts = np.bincount(parts, minlength=3)
    assert counts[1] and counts[2] and abs(counts[1] - counts[2]) <= 1
    assert counts[1] + counts[2] == min(twice, round(0.3 * len(labels)))
