"""Inputs along time, sorted rows and logits of other shapes are refused or read right."""

import pytest
import torch
from guarded import DOORS, KEYS, LABELS, ROWS, TRAINING, Net, X, exposed, one_by_one, rows
from torch import nn

from influence_core.errors import KeysError, ModelError
from influence_core.influence.network_scan import network_scan
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.run import read_network
from influence_core.training.networks.sides import network_sides
from influence_core.training.networks.types import NetworkData
from influence_core.turnover.audit.audit import audit
from influence_core.turnover.exposed import open_exposure
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import TurnoverDropout


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


class TimeFirst(nn.Module):
    """(B, T, F) outside, (T, B, H) where the mask is."""

    def __init__(self, **settings):
        super().__init__()
        self.rnn, self.mask = nn.LSTM(4, 8), TurnoverDropout(8, **settings)
        self.last = nn.Linear(8, 2, bias=False)

    def forward(self, x):
        return self.last(self.mask(self.rnn(x.transpose(0, 1))[0]).mean(0))


class Sorted(Net):
    """Sorts the rows of a batch and puts them back, as packed sequences want it."""

    def forward(self, x):
        order = x.sum(1).argsort(descending=True)
        return super().forward(x[order])[order.argsort()]


@pytest.mark.parametrize("steps", [2, 3, ROWS])
@pytest.mark.parametrize("door", ["scan", "sides", "publish", "training", "audit"])
def test_masks_along_time_are_refused_by_shape(steps, door):
    x = torch.randn(ROWS, steps, 4)
    doors = {
        "scan": lambda net: network_scan(net, x, LABELS, KEYS),
        "sides": lambda net: network_sides(net, rows(x)),
        "publish": lambda net: read_network(net, {"train": rows(x)}),
        "training": lambda net: fit_network(net, NetworkData(rows(x)), TRAINING),
        "audit": lambda net: audit(net, (x, LABELS)),
    }
    with pytest.raises(KeysError, match="row_dim="):
        doors[door](TimeFirst())
    doors[door](TimeFirst(row_dim=1))


def test_row_dim_is_the_slow_way():
    net, x = TimeFirst(row_dim=1), torch.randn(ROWS, ROWS, 4)
    for side in ("learned", "flipped"):
        expected = one_by_one(net, side, x)
        torch.testing.assert_close(exposed(net, side, x), expected, atol=1e-6, rtol=0)


def test_inputs_with_time_first_are_refused():
    class Outside(TimeFirst):
        def forward(self, x):
            return super().forward(x.transpose(0, 1))

    x = torch.randn(ROWS, ROWS, 4)  # (T, B, F)
    with pytest.raises(ModelError, match="must have the rows first"):
        network_scan(Outside(row_dim=1), x, LABELS, KEYS)
    with pytest.raises(ModelError):
        audit(Outside(row_dim=1), (x, LABELS))


@pytest.mark.parametrize("door", ["scan", "sides", "training", "audit"])
def test_rows_that_the_network_sorts_are_refused(door):
    with pytest.raises(ModelError, match="the rows beside it or with their order"):
        DOORS[door](Sorted())


def test_one_dimension_cannot_hold_rows_and_units():
    layer = TurnoverDropout(3, dim=0)
    with exposure(layer, KEYS[:3]), pytest.raises(ModelError, match="takes dimension 0"):
        layer(torch.ones(3, 3))
    with exposure(layer, KEYS[:3]), pytest.raises(ModelError, match="plain tensor"):
        layer(torch.nested.nested_tensor([torch.ones(2, 3)] * 3, layout=torch.jagged))
    assert open_exposure(layer) is None


@pytest.mark.parametrize("squeeze", [False, True])
def test_one_logit_is_scored_by_its_sigmoid(squeeze):
    class One(Net):
        def forward(self, x):
            z = super().forward(x)
            return z[:, 0] if squeeze else z

    net = One()
    net.last = nn.Linear(8, 1, bias=False)
    net.eval()
    got = network_scan(net, X, LABELS, KEYS)
    for t in range(ROWS):
        loss = [
            nn.functional.binary_cross_entropy_with_logits(
                exposed(net, side, X[t : t + 1].expand(ROWS, -1)).reshape(-1),
                LABELS[t].float().expand(ROWS),
                reduction="none",
            )
            for side in ("flipped", "learned")
        ]
        torch.testing.assert_close(got[t], loss[0] - loss[1], atol=1e-6, rtol=0)
    both = network_sides(net, rows())
    p = exposed(net, "flipped").reshape(-1).sigmoid()
    torch.testing.assert_close(torch.from_numpy(both.flipped[:, 1]), p, atol=1e-6, rtol=0)


def test_logits_of_another_shape_are_refused():
    with pytest.raises(ModelError, match=r"returns one vector of logits a row, \(B, C\)"):
        network_scan(Net(lambda net, h: net.mask(h)[:, None].expand(-1, 3, -1)), X, LABELS, KEYS)
