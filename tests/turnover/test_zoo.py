"""Scan and both sides of many kinds of networks are those of the slow way: one row, one key.

The slow way knows nothing of exposures: a copy of the network has plain multiplications in the
places of its turn-over layers, by the mask of one key and side.
"""

import copy
from contextlib import nullcontext

import pytest
import torch
from torch import nn
from zoo import CLASSES, ROWS, ZOO

from influence_core.influence.network_scan import ScanOptions, network_scan
from influence_core.training.networks.rows import tensor_rows
from influence_core.training.networks.sides import network_sides
from influence_core.turnover.calls import logits_of, map_inputs, take_rows
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import number_layers
from influence_core.turnover.masks import mask_bits

KEYS = torch.arange(7) * 7919 + 3
SIDES = ("learned", "flipped")
EXACT = {"atol": 1e-6, "rtol": 0}


class Fixed(nn.Module):
    """Multiplies by the mask of one key and side."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.key, self.flip = [layer], None, False

    def forward(self, x):
        layer = self.layer[0]
        dim = layer.dim if layer.dim is not None else (1 if x.ndim >= 4 else -1)
        bits = mask_bits(self.key, x.shape[dim], seed=0, layer=layer.layer, p=layer.p)[0]
        shape = [1] * x.ndim
        shape[dim] = len(bits)
        return x * ((bits != self.flip).to(x.dtype) / layer.p).view(shape)


class Slow:
    """The network with plain multiplications; gradients on, so that no kernel is fused."""

    def __init__(self, model):
        number_layers(model)
        self.model = copy.deepcopy(model)
        layers = number_layers(self.model)
        self.fixed = {id(layer): Fixed(layer) for layer in layers.values()}
        for module in list(self.model.modules()):
            module._compiled_call_impl = None
            for name, child in module.named_children():
                if id(child) in self.fixed:
                    setattr(module, name, self.fixed[id(child)])
        self.model.eval()

    def logits(self, inputs, row, key, side):
        for fixed in self.fixed.values():
            fixed.key, fixed.flip = key.view(1), side == "flipped"
        with torch.enable_grad():
            return logits_of(self.model, take_rows(inputs, [row]))[0].detach()

    def losses(self, inputs, row, label, side):
        return torch.stack([
            nn.functional.cross_entropy(self.logits(inputs, row, key, side), label) for key in KEYS
        ])  # fmt: skip


def double(x):
    return x.double() if x.is_floating_point() else x


@pytest.fixture(params=ZOO)
def case(request):
    torch.manual_seed(0)
    model, inputs = (make() for make in ZOO[request.param])
    model, inputs = model.double(), map_inputs(inputs, double)
    with torch.no_grad(), exposure(model.eval(), KEYS[:ROWS]):
        classes = logits_of(model, inputs).shape[1]  # layers know their sizes now
    return model, inputs, torch.arange(ROWS) % classes, Slow(model)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_scan_and_sides_are_the_slow_way(case, training, gradients):
    model, inputs, labels, slow = case
    model.train(training)
    with nullcontext() if gradients else torch.no_grad():
        scores = network_scan(model, inputs, labels, KEYS, options=ScanOptions(chunk=3))
        both = network_sides(model, tensor_rows(inputs, labels, KEYS[:ROWS]))
    for row, label in enumerate(labels):
        flipped, learned = (slow.losses(inputs, row, label, side) for side in SIDES[::-1])
        expected = (flipped - learned).float()
        assert expected.abs().max() > 1e-4
        torch.testing.assert_close(scores[row], expected, **EXACT)
        for side in SIDES:
            proba = slow.logits(inputs, row, KEYS[row], side).softmax(0).float()
            torch.testing.assert_close(torch.from_numpy(getattr(both, side)[row]), proba, **EXACT)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # of the compiler's own doing
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("gradients", [False, True])
def test_a_batch_under_its_keys_is_the_slow_way(case, training, gradients):
    model, inputs, _, slow = case
    model.train(training)
    twice = map_inputs(inputs, lambda x: torch.cat([x, x]))
    with nullcontext() if gradients else torch.no_grad():
        for keys, side, given in ((KEYS[:ROWS], "learned", inputs), (KEYS[:ROWS], "both", twice)):
            with exposure(model, keys, side):
                got = logits_of(model, given)
            for row in range(ROWS):
                expected = slow.logits(inputs, row, KEYS[row], "learned")
                torch.testing.assert_close(got[row].detach(), expected, **EXACT)
                if side == "both":
                    expected = slow.logits(inputs, row, KEYS[row], "flipped")
                    torch.testing.assert_close(got[ROWS + row].detach(), expected, **EXACT)
            assert got.requires_grad == gradients
            if gradients:
                with exposure(model, keys, side):
                    logits_of(model, given).sum().backward()


def test_the_zoo_holds_what_it_says():
    assert len(ZOO) >= 20
    assert CLASSES == 3
