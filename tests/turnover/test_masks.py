import head_oracle as oracle
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from influence_core.errors import KeysError, ModelError
from influence_core.turnover import masks
from influence_core.turnover.head import HeadConfig, member_masks, own_values
from influence_core.turnover.masks import PRECISION, as_keys, mask_bits, mask_words, planes, unpack
from influence_core.turnover.masks_numba import fill_masks, words_per_member

KEYS = st.integers(0, 2**64 - 1)


def random_keys(n, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, n, dtype=np.uint64)


@given(KEYS, st.integers(0, 2**31), st.integers(0, 50), st.sampled_from([0.5, 0.25, 0.3, 0.9]))
def test_bits_equal_the_plain_python_oracle(key, seed, layer, p):
    units = 70
    bits = mask_bits(as_keys(np.array([key], np.uint64)), units, seed=seed, layer=layer, p=p)
    assert bits[0].tolist() == [oracle.unit_bit(seed, layer, key, u, p) for u in range(units)]


@given(st.lists(KEYS, min_size=1, max_size=9), st.sampled_from([0.5, 0.125, 0.7]), st.booleans())
def test_numba_and_torch_give_the_same_bits(keys, p, flipped):
    twin = p == 0.5
    array = np.array(keys, np.uint64)
    out = np.empty((3, len(keys), 130), np.float32)
    fill_masks(out, array, seed=7, layers=range(3), p=p, twin=twin, flipped=flipped)
    for layer in range(3):
        bits = mask_bits(as_keys(array), 130, seed=7, layer=layer, p=p, twin=twin).numpy()
        np.testing.assert_array_equal(out[layer] > 0, bits != flipped)
        assert set(np.unique(out)) <= {np.float32(0), np.float32(1 / p)}


def test_scaled_masks_are_float32_whatever_torch_makes_by_default():
    keys, config = as_keys(random_keys(3)), HeadConfig(4, 2, 2, 8)
    torch.set_default_dtype(torch.float64)
    try:
        made = own_values(keys, config, 2.0, 0.0)
    finally:
        torch.set_default_dtype(torch.float32)
    assert made.dtype == torch.float32
    assert torch.equal(made, member_masks(keys, config)[..., :4])


@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.8, 0.97])
def test_share_of_learned_units_is_p_within_five_standard_errors(p):
    bits = mask_bits(as_keys(random_keys(4000)), 256, seed=3, layer=1, p=p)
    assert abs(float(bits.float().mean()) - p) < 5 * (p * (1 - p) / bits.numel()) ** 0.5


def test_units_keys_layers_and_seeds_are_uncorrelated():
    keys = as_keys(np.arange(20_000, dtype=np.uint64))  # neighbours, the public version's weakness
    a = mask_bits(keys, 64, seed=0, layer=0).float() - 0.5
    for b in (
        mask_bits(keys + 1, 64, seed=0, layer=0),
        mask_bits(keys, 64, seed=1, layer=0),
        mask_bits(keys, 64, seed=0, layer=1),
        a.roll(1, dims=1) > 0,
    ):
        correlation = float((a * (b.float() - 0.5)).mean()) * 4
        assert abs(correlation) < 5 / a.numel() ** 0.5


def test_twins_are_exact_halves_with_opposite_bits():
    bits = mask_bits(as_keys(random_keys(50)), 96, seed=0, layer=0, twin=True)
    assert (bits.sum(1) == 48).all()
    assert (bits[:, :48] != bits[:, 48:]).all()


def test_masks_ignore_batch_order_and_the_presence_of_other_rows():
    keys = as_keys(random_keys(40))
    bits = mask_bits(keys, 100, seed=2, layer=5)
    order = torch.randperm(40)
    assert torch.equal(mask_bits(keys[order], 100, seed=2, layer=5), bits[order])
    assert torch.equal(mask_bits(keys[7:8], 100, seed=2, layer=5), bits[7:8])


def test_a_longer_mask_begins_with_the_shorter_one():
    keys = as_keys(random_keys(5))
    assert torch.equal(
        mask_words(keys, 5, seed=0, layer=0)[:, :2], mask_words(keys, 2, seed=0, layer=0)
    )


@pytest.mark.parametrize("p", [0.0, 1.0, -0.5, 1.5])
def test_a_probability_outside_the_open_interval_is_refused(p):
    with pytest.raises(ModelError, match="strictly between 0 and 1"):
        planes(p)


def test_twins_need_even_width_and_half():
    keys = as_keys(random_keys(2))
    with pytest.raises(ModelError, match="even width"):
        mask_bits(keys, 7, seed=0, layer=0, twin=True)
    with pytest.raises(ModelError, match=r"p = 0\.3"):
        mask_bits(keys, 8, seed=0, layer=0, p=0.3, twin=True)


@pytest.mark.parametrize(
    "keys",
    [
        np.array([1.5]),
        np.zeros((2, 2), np.int64),
        np.array([True]),
        torch.ones(3),
        torch.zeros((2, 2), dtype=torch.int64),
        torch.tensor([True]),
    ],
)
def test_keys_that_are_not_a_row_of_integers_are_refused(keys):
    with pytest.raises(KeysError, match="1-D integer"):
        as_keys(keys)


def test_masks_are_made_where_the_keys_are():
    keys = torch.zeros(
        3, dtype=torch.int64, device="meta"
    )  # nothing of another device mixes with it
    words = mask_words(keys, 2, seed=0, layer=1, p=0.3)
    assert (words.device.type, words.shape) == ("meta", (3, 2))
    assert unpack(words, 70).shape == (3, 70)


@pytest.mark.parametrize(
    ("width", "twin", "words"),
    [(1, False, 1), (64, False, 1), (65, False, 2), (128, True, 1), (130, True, 2)],
)
def test_words_hold_the_bits_that_a_member_draws(width, twin, words):
    assert words_per_member(width, 0.5, twin) == words


def test_numbers_of_64_bits_without_a_sign_become_those_with_one():
    for number, signed in ((2**63, -(2**63)), (2**63 - 1, 2**63 - 1), (2**64 - 1, -1), (0, 0)):
        assert masks._signed(number) == signed


def test_probabilities_next_to_the_bounds_are_the_nearest_that_can_be_written():
    assert planes(1e-9) == planes(2.0**-PRECISION) == [1] + [0] * (PRECISION - 1)
    assert planes(1 - 1e-9) == planes(1 - 2.0**-PRECISION) == [1] * PRECISION
