"""The layer's masks: which units, what scale, and a checkpoint that must fit."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from influence_core.errors import KeysError, MismatchError, ModelError
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import (
    TurnoverDropout,
    check_checkpoint,
    number_layers,
    turnover_layers,
)
from influence_core.turnover.masks import mask_bits


def slow_masks(keys: list[int], layer: TurnoverDropout, flipped: bool) -> Tensor:
    """One instance and one unit at a time, straight from the definition."""
    rows = []
    for key in keys:
        bits = mask_bits(
            torch.tensor([key]),
            layer.size,
            seed=layer.seed,
            layer=layer.layer,
            p=layer.p,
            twin=layer.twin,
        )[0]
        mask = [1 / layer.p if bit else 0.0 for bit in bits]
        rows.append([1 / layer.p - m for m in mask] if flipped else mask)
    return torch.tensor(rows)


@settings(max_examples=30, deadline=None)
@given(
    keys=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=5),
    units=st.sampled_from([2, 6, 64, 130]),
    p=st.sampled_from([0.5, 0.25, 0.8]),
    flipped=st.booleans(),
)
def test_masks_are_the_definition(keys, units, p, flipped):
    layer = TurnoverDropout(units, p, seed=3, layer=2, twin=p == 0.5)
    with exposure(layer, torch.tensor(keys), side="flipped" if flipped else "learned"):
        out = layer(torch.ones(len(keys), units))
    torch.testing.assert_close(out, slow_masks(keys, layer, flipped))


def test_both_sides_cover_every_unit_once():
    layer = TurnoverDropout(50, 0.3, layer=0)
    keys = torch.arange(20)
    with exposure(layer, keys, side="both"):
        learned, flipped = layer(torch.ones(40, 50)).chunk(2)
    torch.testing.assert_close(learned + flipped, torch.full((20, 50), 1 / 0.3))
    assert ((learned == 0) | (flipped == 0)).all()


@pytest.mark.parametrize(
    ("shape", "dim", "units"),
    [
        ((3, 8, 5, 4), None, 8),  # whole channels of a convolution
        ((3, 7, 8), None, 8),  # hidden units, one mask for all tokens
        ((3, 8, 7), 1, 8),  # channels of a 1-D convolution
        ((3, 5, 4, 8), -1, 8),  # channels last
        ((3, 8, 2, 5, 4), None, 8),
    ],
)
def test_a_unit_is_masked_as_a_whole(shape, dim, units):
    layer = TurnoverDropout(units, layer=0, dim=dim)
    keys = torch.tensor([5, 6, 7])
    with exposure(layer, keys):
        out = layer(torch.ones(shape))
    where = layer.unit_dim(out)
    per_unit = out.movedim(where, 1).flatten(2)  # (B, units, positions)
    assert (per_unit == per_unit[:, :, :1]).all()
    torch.testing.assert_close(per_unit[:, :, 0], slow_masks([5, 6, 7], layer, False))


def test_train_mode_without_keys_is_refused_and_eval_is_the_full_network():
    layer = TurnoverDropout(4)
    x = torch.randn(2, 4)
    with pytest.raises(KeysError, match="without keys"):
        layer(x)
    layer.eval()
    assert torch.equal(layer(x), x)


def test_a_wrong_width_is_named():
    layer = TurnoverDropout(4, layer=3)
    with (
        exposure(layer, torch.tensor([1, 2])),
        pytest.raises(ModelError, match=r"number 3.*5 units"),
    ):
        layer(torch.ones(2, 5))
    with pytest.raises(ModelError, match="rows first"), exposure(layer, torch.tensor([1])):
        layer(torch.ones(4))


def test_a_layer_without_size_takes_the_first_activation():
    layer = TurnoverDropout(layer=0)
    with exposure(layer, torch.tensor([1, 2])):
        layer(torch.ones(2, 5))
    assert layer.size == 5
    assert layer.state_dict()["mask_spec"][0] == 5


@pytest.mark.parametrize(("size", "p", "twin"), [(0, 0.5, False), (4, 1.0, False), (5, 0.5, True)])
def test_impossible_settings_are_refused(size, p, twin):
    with pytest.raises(ModelError):
        TurnoverDropout(size, p, twin=twin)


def test_numbers_are_unique_and_keep_explicit_ones():
    model = nn.Sequential(TurnoverDropout(4), TurnoverDropout(4, layer=0), TurnoverDropout(4))
    assert [layer.layer for layer in number_layers(model).values()] == [1, 0, 2]
    clash = nn.Sequential(TurnoverDropout(4, layer=1), TurnoverDropout(4, layer=1))
    with pytest.raises(ModelError, match="'0' and '1' share seed 0 and number 1"):
        number_layers(clash)
    with pytest.raises(ModelError, match="no turn-over layer"):
        number_layers(nn.Linear(2, 2))


def test_checkpoint_round_trip_in_safetensors(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), TurnoverDropout(4, 0.3, seed=9))
    number_layers(model)
    save_file(model.state_dict(), tmp_path / "m.safetensors")
    other = nn.Sequential(nn.Linear(3, 4), TurnoverDropout(None, 0.3, seed=9))
    state = load_file(tmp_path / "m.safetensors")
    check_checkpoint(other, state)
    other.load_state_dict(state)
    assert turnover_layers(other)["1"].spec() == turnover_layers(model)["1"].spec()
    assert torch.equal(other.state_dict()["1.mask_spec"], state["1.mask_spec"])


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"p": 0.25}, "p = 0.25"),
        ({"seed": 1}, "seed = 1"),
        ({"size": 6}, "size"),
        ({"layer": 5}, "layer"),
    ],
)
def test_a_checkpoint_with_other_masks_is_refused(change, word):
    settings_of = {"size": 4, "p": 0.5, "seed": 0, "layer": 0}
    stored = nn.Sequential(nn.Linear(3, 4), TurnoverDropout(**settings_of)).state_dict()
    model = nn.Sequential(nn.Linear(3, 4), TurnoverDropout(**{**settings_of, **change}))
    before = model[0].weight.clone()
    with pytest.raises(MismatchError, match=word):
        check_checkpoint(model, stored)
    assert torch.equal(model[0].weight, before)
    with pytest.raises(MismatchError, match=word):
        model.load_state_dict(stored)


def test_a_checkpoint_with_more_or_fewer_layers_is_refused():
    one = nn.Sequential(nn.Linear(3, 4), TurnoverDropout(4, layer=0))
    none = nn.Sequential(nn.Linear(3, 4))
    with pytest.raises(MismatchError, match="does not exist in the checkpoint"):
        check_checkpoint(one, none.state_dict())
    with pytest.raises(MismatchError, match="does not exist in this model"):
        check_checkpoint(none, one.state_dict())


def test_half_precision_keeps_the_specification():
    layer = TurnoverDropout(4, 0.3, seed=2**40, layer=1).half()
    other = TurnoverDropout(4, 0.3, seed=2**40, layer=1)
    other.load_state_dict(layer.state_dict())
    with exposure(layer, torch.tensor([1])):
        assert layer(torch.ones(1, 4, dtype=torch.float16)).dtype == torch.float16
