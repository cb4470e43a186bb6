import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from influence_core.influence.topk import _LONG, _inserted, _sorted, merge, strongest

# Few distinct values, so that ties are the rule.
VALUES = st.sampled_from([-2.0, -1.0, -0.0, 0.0, 0.5, 1.0, 3e-39, float("nan"), float("inf")])


def slow(scores, positions, k, sign):
    """Python's own sort, one row at a time."""
    side = [(-s * sign, p) for s, p in zip(scores, positions, strict=True) if s * sign > 0]
    return [p for _, p in sorted(side)[:k]]


def listed(kept):
    return [kept.positions[t][kept.real[t]].tolist() for t in range(len(kept.rank))]


@given(st.lists(VALUES, min_size=1, max_size=30), st.integers(1, 6), st.sampled_from([1.0, -1.0]))
def test_strongest_equals_a_plain_sort(values, k, sign):
    scores = torch.tensor([values, values[::-1]])
    positions = torch.arange(100, 100 + len(values))
    kept = strongest(scores, scores * 2, positions, k=k, sign=sign, kept=None)
    for t in range(2):
        expected = slow(scores[t].tolist(), positions.tolist(), k, sign)
        assert listed(kept)[t] == expected
        real = kept.real[t]
        assert (
            kept.scores[t][real].tolist() == scores[t][torch.tensor(expected).long() - 100].tolist()
        )
        assert torch.equal(kept.stderr[t][real], kept.scores[t][real] * 2)


@given(st.lists(VALUES, min_size=1, max_size=30), st.lists(st.integers(1, 9), max_size=5))
def test_chunks_in_any_sizes_give_the_ranking_of_one_pass(values, sizes):
    scores = torch.tensor([values])
    positions = torch.arange(len(values))
    whole = strongest(scores, scores, positions, k=4, sign=1.0, kept=None)
    kept, start = None, 0
    for size in [*sizes, len(values)]:
        part = slice(start, start + size)
        kept = strongest(
            scores[:, part], scores[:, part], positions[part], k=4, sign=1.0, kept=kept
        )
        start += size
    assert listed(kept) == listed(whole)


@given(
    st.lists(VALUES | st.floats(-5, 5, width=32), min_size=1, max_size=40),
    st.integers(1, 6),
    st.sampled_from([1.0, -1.0]),
    st.integers(0, 40),
)
def test_the_compiled_loop_keeps_what_tensor_operations_keep(values, k, sign, cut):
    scores = torch.tensor([values, values[::-1]])
    positions = torch.arange(7, 7 + len(values))
    kept = {}
    for way in (_inserted, _sorted):
        before = None
        for part in (slice(0, cut), slice(cut, None)):
            if len(positions[part]):
                before = way(scores[:, part], scores[:, part] / 2, positions[part], k, sign, before)
        kept[way] = before
    fast, slow_ = kept[_inserted], kept[_sorted]
    assert listed(fast) == listed(slow_)
    for name in ("rank", "scores", "stderr"):
        mine, theirs = (getattr(one, name)[one.real] for one in (fast, slow_))
        assert torch.equal(mine, theirs)


def test_a_list_too_long_to_insert_into_is_sorted():
    scores = torch.randn(1, 5_000, generator=torch.Generator().manual_seed(0))
    positions, long = torch.arange(5_000), _LONG + 1
    kept = strongest(scores, scores, positions, k=long, sign=1.0, kept=None)
    assert listed(kept)[0] == slow(scores[0].tolist(), positions.tolist(), long, 1.0)


def test_shards_merge_in_any_order():
    rng = np.random.default_rng(0)
    scores = torch.from_numpy(rng.integers(-3, 4, (2, 40)).astype(np.float32))
    positions = torch.arange(40)
    shards = [
        strongest(scores[:, p], scores[:, p], positions[p], k=5, sign=1.0, kept=None)
        for p in (slice(0, 13), slice(13, 14), slice(14, 40))
    ]
    whole = strongest(scores, scores, positions, k=5, sign=1.0, kept=None)
    a, b, c = shards
    for first, second, third in ((a, b, c), (c, a, b), (b, c, a)):
        assert listed(merge(merge(first, second, 5), third, 5)) == listed(whole)
