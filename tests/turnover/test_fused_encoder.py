"""PyTorch's fused encoder kernels: masks are not skipped, and the setting comes back."""

import threading

import pytest
import torch
from guarded import KEYS, LABELS, ROWS, TOKENS, Net, X, exposed, one_by_one
from torch import nn

from influence_core.influence.network_scan import network_scan
from influence_core.training.networks.rows import tensor_rows
from influence_core.training.networks.sides import network_sides
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


class Encoder(nn.Module):
    """PyTorch's own encoder, whose fused kernel skips dropout modules; perhaps a masked head."""

    def __init__(self, batch_first=True, head=True, where="*"):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.1, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=batch_first)
        self.batch_first = batch_first
        self.head = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
        inject(self, "*" if head else "encoder*")

    def forward(self, x):
        if not self.batch_first:
            x = x.transpose(0, 1)
        h = self.encoder(x)
        return self.head(h.mean(1 if self.batch_first else 0))


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.parametrize("side", ["learned", "flipped"])
def test_the_fused_encoder_does_not_skip_masks(head, side):
    net = Encoder(head=head).eval()
    expected = one_by_one(net, side)
    torch.testing.assert_close(exposed(net, side, TOKENS), expected, atol=1e-6, rtol=0)
    with exposure(net, KEYS, side):
        torch.testing.assert_close(net(TOKENS), expected, atol=1e-6, rtol=0)
    full = net(TOKENS)
    assert (expected - full).abs().max() > 1e-2


def test_sides_and_scores_of_the_fused_encoder_are_true():
    net = Encoder(head=False).eval()
    data = tensor_rows(TOKENS, LABELS, KEYS)
    both = network_sides(net, data)
    for side in ("learned", "flipped"):
        expected = one_by_one(net, side).softmax(1).numpy()
        assert abs(getattr(both, side) - expected).max() < 1e-6
    scores = network_scan(net, TOKENS, LABELS, KEYS)
    loss = {
        side: torch.stack([
            nn.functional.cross_entropy(
                exposed(net, side, TOKENS[:1], KEYS[i : i + 1]), LABELS[:1]
            )
            for i in range(ROWS)
        ])
        for side in ("learned", "flipped")
    }  # fmt: skip
    torch.testing.assert_close(scores[0], loss["flipped"] - loss["learned"], atol=1e-6, rtol=0)


def test_the_setting_of_fused_kernels_comes_back():
    net = Net()
    for before in (True, False):
        torch.backends.mha.set_fastpath_enabled(before)
        try:
            with exposure(net, KEYS):
                net(X)
                assert not torch.backends.mha.get_fastpath_enabled()
                with exposure(net, KEYS):
                    net(X)
                assert not torch.backends.mha.get_fastpath_enabled()
            assert torch.backends.mha.get_fastpath_enabled() == before
            with pytest.raises(ZeroDivisionError), exposure(net, KEYS):
                raise ZeroDivisionError
            assert torch.backends.mha.get_fastpath_enabled() == before
        finally:
            torch.backends.mha.set_fastpath_enabled(True)


def test_threads_keep_fused_kernels_off_for_each_other():
    net, opened, done = Net().eval(), threading.Event(), threading.Event()
    states = []

    def other():
        with exposure(net, KEYS):
            net(X)
            opened.set()
            done.wait(600)
            states.append(torch.backends.mha.get_fastpath_enabled())

    thread = threading.Thread(target=other)
    thread.start()
    opened.wait(600)
    with exposure(net, KEYS):
        net(X)
    states.append(torch.backends.mha.get_fastpath_enabled())
    done.set()
    thread.join()
    assert states == [False, False]
    assert torch.backends.mha.get_fastpath_enabled()
