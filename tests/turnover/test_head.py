import head_oracle as oracle
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.errors import ModelError
from influence_core.turnover.head import HeadConfig, TurnoverHead, initial_weights, member_masks
from influence_core.turnover.masks import as_keys

CONFIGS = st.builds(
    HeadConfig,
    features=st.integers(1, 4),
    classes=st.integers(1, 4),
    members=st.integers(1, 3),
    width=st.integers(1, 9),
    p=st.sampled_from([0.5, 0.3, 0.75]),
    seed=st.integers(0, 1000),
)


def perturbed(config, seed=0):
    """A head whose twins have parted, as after training."""
    head = TurnoverHead(config)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for param in head.parameters():
            param.add_(torch.randn(param.shape, generator=rng) * 0.5)
    return head


@settings(max_examples=30)
@given(CONFIGS)
def test_all_sides_equal_the_oracle(config):
    head = perturbed(config)
    rng = np.random.default_rng(config.seed)
    x = torch.from_numpy(rng.normal(size=(3, config.features)).astype(np.float32))
    keys = rng.integers(0, 2**64, 3, dtype=np.uint64)
    learned, flipped = head.both(x, as_keys(keys))
    direct, full = head.flipped(x, as_keys(keys)), head(x)
    assert torch.allclose(learned, head.learned(x, as_keys(keys)), atol=1e-6)
    for row in range(3):
        for member in range(config.members):
            a, b, c = oracle.sides(head, member, x[row].tolist(), int(keys[row]))
            for fast, slow in ((learned, a), (flipped, b), (direct, b), (full, c)):
                assert fast[member, row].tolist() == pytest.approx(slow, abs=1e-5)


@settings(max_examples=20)
@given(CONFIGS, st.integers(0, 2**64 - 1))
def test_the_flipped_side_reads_nothing_that_the_learned_side_teaches(config, key):
    head = perturbed(config)
    keys = as_keys(np.array([key], np.uint64))
    x = torch.randn(1, config.features)
    loss = torch.nn.functional.cross_entropy(
        head.learned(x, keys).flatten(0, 1), torch.zeros(config.members, dtype=torch.long)
    )
    loss.backward()
    read = member_masks(keys, config, flipped=True)[:, 0] > 0  # (E, H): units the flipped side uses
    for grad in (head.W1.grad.transpose(1, 2), head.b1.grad[..., None], head.W2.grad):
        assert (grad[read] == 0).all()  # exactly, not nearly
    if config.classes > 1 and (~read).any():
        assert all(p.grad is not None for p in head.parameters())


def test_twin_start_makes_both_sides_equal_before_training():
    head = TurnoverHead(HeadConfig(5, 3, members=4, width=32, seed=2))
    x, keys = torch.randn(6, 5), torch.arange(6)
    learned, flipped = head.both(x, keys)
    assert torch.allclose(learned, flipped, atol=1e-5)


def test_members_start_the_same_however_many_there_are():
    few = initial_weights(HeadConfig(5, 3, members=2, width=16, seed=4))
    many = initial_weights(HeadConfig(5, 3, members=5, width=16, seed=4))
    for a, b in zip(few, many, strict=True):
        assert torch.equal(a, b[:2])
    assert not torch.equal(many[0][0], many[0][1])


def test_a_head_without_members_is_refused():
    with pytest.raises(ModelError, match="members"):
        HeadConfig(3, 2, members=0)
