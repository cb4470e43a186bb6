"""The compiled loops against the torch path; `test_estimators` holds both against the oracle."""

import numpy as np
import pytest
import torch
from evidence_toy import evidence, targets
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.influence import estimator
from influence_core.influence.estimators import turnover as module
from influence_core.influence.estimators.turnover import _TorchQuery, torch_scores
from influence_core.influence.kernels.cache_lines import LANES, aligned, exp32, log32
from influence_core.influence.kernels.many_items import BLOCK, TargetBatch, lanes_for
from influence_core.influence.kernels.mask_words import MaskStream
from influence_core.influence.scan import scan
from influence_core.turnover.head import HeadConfig, hidden
from influence_core.turnover.masks import mask_words


def both(config, t, n=300, scale=1.0, seed=0):
    _, proof = evidence(config, n=n, seed=seed)
    proof.head.W2.mul_(scale)
    goal = targets(proof, t=t, seed=seed + 1)
    compiled = estimator("turnover").prepare(proof).query(goal)
    h = hidden(goal.features, proof.head.W1, proof.head.b1)
    return compiled, lambda rows: torch_scores(proof.keys[rows], proof.head, h, goal.labels)


def agree(compiled, slow, rows):
    out, expected = compiled.scores(rows), slow(rows)
    size = float(expected.scores.abs().max())
    assert torch.allclose(out.scores, expected.scores, atol=2e-5 * max(size, 1))
    assert torch.allclose(out.stderr, expected.stderr, atol=2e-5 * max(size, 1), equal_nan=True)


@settings(max_examples=12)
@given(
    st.builds(
        HeadConfig,
        features=st.just(3),
        classes=st.sampled_from([2, 7]),
        members=st.integers(1, 3),
        width=st.sampled_from([1, 6, 64, 130, 192]),
        p=st.sampled_from([0.5, 0.3]),
        seed=st.integers(0, 99),
    ),
    st.sampled_from([1, 3, 9]),
)
def test_compiled_scores_equal_the_torch_path(config, t):
    compiled, slow = both(config, t)
    agree(compiled, slow, slice(41, 260))


def test_a_device_without_compiled_loops_ranks_the_same_rows(monkeypatch):
    monkeypatch.setattr(module, "_TORCH_FLOATS", 1 << 14)  # a part of the chunk's masks at a time
    compiled, _ = both(HeadConfig(3, 4, members=2, width=130), t=3, n=2_500)
    query = _TorchQuery(
        torch.from_numpy(compiled.keys.view(np.int64)), compiled.head, compiled.h, compiled.labels
    )
    found, wanted = (scan(one, 2_500, k=9, chunk=700) for one in (query, compiled))
    sides = zip(found.helpful + found.harmful, wanted.helpful + wanted.harmful, strict=True)
    for mine, theirs in sides:
        assert mine.positions.tolist() == theirs.positions.tolist()
        np.testing.assert_allclose(mine.scores, theirs.scores, rtol=1e-3)


@pytest.mark.parametrize("classes", [34, 70])
def test_many_classes_are_scored_in_tiles(classes):
    compiled, slow = both(HeadConfig(3, classes, members=2, width=32), t=5, n=60)
    agree(compiled, slow, slice(0, 60))


def test_logits_that_would_overflow_a_product_are_scored_one_by_one():
    """Half of the targets are far out: their odds do not fit a float32."""
    _, proof = evidence(HeadConfig(5, 4, members=3, width=128), n=200)
    goal = targets(proof, t=8)
    goal.features[::2] *= 40
    query = estimator("turnover").prepare(proof).query(goal)
    h = hidden(goal.features, proof.head.W1, proof.head.b1)
    assert 0 < query.together.sum() < 8
    assert len(query.alone) == 8 - query.together.sum()
    agree(
        query,
        lambda rows: torch_scores(proof.keys[rows], proof.head, h, goal.labels),
        slice(0, 200),
    )


def test_moderate_is_a_bound_on_every_masks_logits():
    _, proof = evidence(HeadConfig(3, 3, members=2, width=16), n=400)
    goal = targets(proof, t=1)
    head, config = proof.head, proof.head.config
    own = MaskStream.of(config).own
    h = hidden(goal.features, head.W1, head.b1)
    bits = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * own)  # every mask there is
    bits = torch.cat([bits, 1 - bits], 1).expand(2, -1, -1)
    logits = torch.bmm(bits, h.transpose(1, 2) * head.W2 / config.p)
    label = int(goal.labels[0])
    peak = float((logits - logits[..., label : label + 1]).abs().max())
    for factor, expected in ((79.0 / peak, True), (81.0 / peak, False)):
        batch = TargetBatch(
            (h * factor).numpy(), head.W2.numpy(), goal.labels.numpy(), own, config.p
        )
        assert batch.moderate().tolist() == [expected]


def test_a_target_scores_the_same_alone_and_in_a_batch():
    _, proof = evidence(HeadConfig(5, 3, members=4, width=128), n=300)
    goal = targets(proof, t=9)
    prepared = estimator("turnover").prepare(proof)
    together = prepared.query(goal).scores(slice(0, 300))
    for t in range(9):
        one = type(goal)(goal.features[t : t + 1], goal.labels[t : t + 1], goal.proba[t : t + 1])
        alone = prepared.query(one).scores(slice(0, 300))
        assert torch.allclose(alone.scores[0], together.scores[t], atol=1e-5)


@pytest.mark.parametrize("p", [0.5, 0.3])
def test_hashed_words_are_those_of_the_masks(p):
    config = HeadConfig(3, 2, members=3, width=300, p=p, seed=7)
    rng = np.random.default_rng(0)
    keys = rng.integers(0, 2**64, 5_000, dtype=np.uint64)
    stream = MaskStream.of(config)
    words = stream.of_keys(keys)
    for member in range(3):
        slow = mask_words(
            torch.from_numpy(keys.view(np.int64)), stream.words, seed=7, layer=member, p=p
        )
        assert np.array_equal(words[member].T, slow.numpy().view(np.uint64))


def test_batches_leave_no_lane_empty_where_there_are_targets():
    assert lanes_for(1, 9) == lanes_for(8, 1) == 8
    assert lanes_for(1_000, 1) == 64
    assert lanes_for(20, 1) == 32
    assert lanes_for(1_000, 8) == 8
    assert lanes_for(1_000, 9) == 16  # nine whole vectors instead of four and a half


@pytest.mark.parametrize("classes", [2, 10])
def test_blocks_and_parts_of_many_rows_meet_without_a_gap(classes):
    compiled, slow = both(HeadConfig(3, classes, 2, 70), t=20, n=BLOCK + 300, scale=0.1)
    out, expected = (scores(slice(0, BLOCK + 300)) for scores in (compiled.scores, slow))
    torch.testing.assert_close(out.scores, expected.scores, atol=2e-5, rtol=1e-5)
    # Of so many rows a few have members that agree by chance: the square root of a rounding error.
    torch.testing.assert_close(out.stderr, expected.stderr, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("count", [0, 1, 15, 16, 1_000])
def test_tables_begin_where_a_vector_does(count):
    room = aligned(count)
    assert (len(room), room.dtype) == (count, np.float32)
    assert not count or room.ctypes.data % (4 * LANES) == 0


@given(st.floats(-86.0, 88.0, width=32))
def test_exp_is_that_of_numpy(x):
    assert exp32(np.float32(x)) == pytest.approx(np.exp(np.float64(np.float32(x))), rel=3e-7)


@given(st.floats(2.0**-120, 2.0**120, width=32))
def test_log_is_that_of_numpy(x):
    assert log32(np.float32(x)) == pytest.approx(np.log(np.float64(x)), rel=3e-7, abs=1e-7)
