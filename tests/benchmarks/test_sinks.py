"""Shared units and sinks: the network begins as it was, each row owns half of the sinks alone."""

import pytest
import torch

from benchmarks.network_cases import Case, make
from benchmarks.network_sinks import ADDED, HALF, SinkCase, Sinks, with_sinks
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import turnover_layers


@pytest.mark.parametrize("blocks", [1, 3])
@pytest.mark.parametrize("kind", [ADDED, HALF])
def test_a_network_with_sinks_begins_as_it_was_on_every_side(kind, blocks):
    plain, rows = make(Case(0, "none", "off", False, 0))
    model, _ = with_sinks(SinkCase(kind, blocks, 0))
    inputs = rows["test"].inputs([0, 1, 2, 3])
    wanted = plain.eval()(inputs)
    assert torch.allclose(model.eval()(inputs), wanted, atol=1e-5)
    for side in ("learned", "flipped"):
        with exposure(model, torch.arange(4), side):
            assert torch.allclose(model(inputs), wanted, atol=1e-5)
    assert len(turnover_layers(model)) == blocks + 1
    assert all(p.requires_grad for p in model.parameters())


def test_units_before_the_sinks_run_for_every_row_and_a_sink_for_its_own_alone():
    layer, x = Sinks(3, 4, seed=0, layer=0), torch.ones(5, 7)
    keys = torch.arange(5)
    with exposure(layer, keys, "learned"):
        learned = layer(x)
    with exposure(layer, keys, "flipped"):
        flipped = layer(x)
    assert torch.equal(learned[:, :3], x[:, :3]) and torch.equal(flipped[:, :3], x[:, :3])
    assert torch.equal(learned[:, 3:] + flipped[:, 3:], torch.full((5, 4), 2.0))
    assert torch.equal((learned[:, 3:] > 0).sum(1), torch.full((5,), 2))
    layer.off = True
    assert torch.equal(layer.eval()(x), torch.cat([x[:, :3], torch.zeros(5, 4)], 1))
