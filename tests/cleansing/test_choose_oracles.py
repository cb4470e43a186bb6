"""Choosing rows, held against slow and obvious versions of itself."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from influence_core.cleansing.choose import (
    Rule,
    Selection,
    choose,
    class_changes,
    harmful_first,
    random_control,
)

INFLUENCE = hnp.arrays(np.float64, st.integers(1, 40), elements=st.floats(-5, 5))


@given(INFLUENCE, st.floats(0.01, 0.99))
def test_a_fraction_is_a_sorted_list_cut_short(influence, share):
    chosen = choose([Rule("fraction", share)], influence)
    worst = [i for value, i in sorted((v, i) for i, v in enumerate(influence)) if value < 0]
    assert chosen.tolist() == worst[: round(share * len(influence))]


@given(INFLUENCE, st.data())
def test_discoveries_follow_benjamini_and_hochberg(influence, data):
    n = len(influence)
    p = data.draw(hnp.arrays(np.float64, n, elements=st.floats(0, 1)))
    rate = data.draw(st.sampled_from([0.05, 0.2, 0.5]))
    chosen = set(choose([Rule("fdr", rate)], influence, p).tolist())
    # The step-up procedure as they wrote it down.
    k = max((i + 1 for i, value in enumerate(sorted(p)) if value <= rate * (i + 1) / n), default=0)
    cut = sorted(p)[k - 1] if k else -1.0
    wanted = {i for i in range(n) if p[i] <= cut and influence[i] < 0}
    # Rounding may decide about values that lie exactly on the line.
    on_the_line = np.isclose(np.sort(p), rate * np.arange(1, n + 1) / n).any()
    assert on_the_line or chosen == wanted


def test_discoveries_hold_their_rate_and_find_the_signal():
    rng = np.random.default_rng(0)
    false, found = [], []
    for _ in range(50):
        z = rng.normal(size=500)
        z[:50] -= 4
        p = 2 * norm.sf(np.abs(z))
        chosen = choose([Rule("fdr", 0.2)], z, p)
        false.append((chosen >= 50).mean())
        found.append((chosen < 50).sum() / 50)
    assert np.mean(false) < 0.2
    assert np.mean(found) > 0.9


@given(hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(0, 3)), st.data())
def test_the_control_takes_as_many_of_each_class(labels, data):
    size = data.draw(st.integers(0, len(labels)))
    touched = np.random.default_rng(1).permutation(len(labels))[:size]
    half = size // 2
    selection = Selection(touched[:half], {int(p): 0 for p in touched[half:]})
    drawn = random_control(labels, selection, seed=3)
    assert len(set(drawn.tolist())) == size
    wanted = np.bincount(labels[touched], minlength=4)
    assert np.bincount(labels[drawn], minlength=4).tolist() == wanted.tolist()
    assert np.array_equal(drawn, random_control(labels, selection, seed=3))


@given(hnp.arrays(np.int64, st.integers(1, 60), elements=st.integers(-1, 2)), st.data())
def test_class_changes_are_those_of_the_edited_labels(labels, data):
    order = np.random.default_rng(2).permutation(len(labels))
    gone = order[: len(labels) // 3]
    changed = {int(p): data.draw(st.integers(0, 2)) for p in order[len(labels) // 2 :]}
    after = labels.copy()
    for position, label in changed.items():
        after[position] = label
    after = np.delete(after, gone)
    got = class_changes(labels, Selection(gone, changed), ["a", "b", "c"])
    assert [c.after for c in got] == [int((after == i).sum()) for i in range(3)]
    lost = [1 - c.after / c.before if c.before else 0 for c in got]
    assert [c.too_much for c in got] == [share > 0.2 for share in lost]


def test_harmful_first_keeps_the_order_of_equals():
    assert harmful_first(np.array([-1.0, 0.0, -1.0, -2.0, 3.0])).tolist() == [3, 0, 2]
