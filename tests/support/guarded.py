"""Small networks with masks, and the doors through which rows reach them."""

import torch
from torch import nn

from influence_core.influence.network_scan import network_scan
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.rows import tensor_rows
from influence_core.training.networks.run import read_network
from influence_core.training.networks.sides import network_sides
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.audit.audit import audit
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import TurnoverDropout

ROWS = 6


KEYS = torch.arange(ROWS) * 7919 + 3


X = torch.linspace(-1, 1, ROWS * 4).view(ROWS, 4).sin()


LABELS = torch.arange(ROWS) % 2


TRAINING = NetworkTraining(epochs=1, batch=ROWS, device="cpu")


class Net(nn.Module):
    """Two masked layers; `how` says what becomes of the second one."""

    def __init__(self, how=lambda net, h: net.mask(h), **settings):
        super().__init__()
        self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 8)
        self.first, self.mask = TurnoverDropout(8), TurnoverDropout(8, **settings)
        self.last = nn.Linear(8, 2, bias=False)
        self.how = how

    def forward(self, x):
        h = self.first(self.a(x).relu())
        return self.last(self.how(self, self.b(h).relu()))


def rows(x=X):
    return tensor_rows(x, LABELS[: len(x)], KEYS[: len(x)])


DOORS = {
    "exposure": lambda net: exposed(net, "flipped"),
    "scan": lambda net: network_scan(net, X, LABELS, KEYS),
    "sides": lambda net: network_sides(net, rows()),
    "publish": lambda net: read_network(net, {"train": rows()}),
    "training": lambda net: fit_network(net, NetworkData(rows()), TRAINING),
    "audit": lambda net: audit(net, (X, LABELS)),
}


@torch.no_grad()
def exposed(net, side, x=X, keys=KEYS):
    with exposure(net, keys, side):
        return net(x)


TOKENS = torch.linspace(-2, 2, ROWS * 5 * 8).view(ROWS, 5, 8).sin()


@torch.no_grad()
def one_by_one(net, side, x=TOKENS):
    """Each row alone, fused kernels off by hand: what must come out."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        return torch.cat([exposed(net, side, x[i : i + 1], KEYS[i : i + 1]) for i in range(len(x))])
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
