"""Masks that do not act are refused, whatever keeps them from it; what is meant passes."""

import copy
import threading

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from influence_core.errors import KeysError, ModelError
from influence_core.influence.network_scan import network_scan
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.own_loop import KeyCarrier
from influence_core.training.networks.rows import tensor_rows
from influence_core.training.networks.run import read_network
from influence_core.training.networks.sides import network_sides
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.audit.audit import audit
from influence_core.turnover.checks import check_masks
from influence_core.turnover.exposed import open_exposure
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.layer import TurnoverDropout

ROWS = 6
KEYS = torch.arange(ROWS) * 7919 + 3
X = torch.linspace(-1, 1, ROWS * 4).view(ROWS, 4).sin()
LABELS = torch.arange(ROWS) % 2
TRAINING = NetworkTraining(epochs=1, batch=ROWS, device="cpu")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


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


def functional(net, h):
    """Reads the probability, never calls the module: what many attention layers do."""
    return nn.functional.dropout(h, net.mask.p, net.training)


def only_in_training(net, h):
    return net.mask(h) if net.training else h


def in_another_thread(net, h):
    """What nn.DataParallel does: a copy of the module, run where no context variable reaches."""
    replica, out = copy.copy(net.mask), []
    thread = threading.Thread(target=lambda: out.append(replica.eval()(h)))
    thread.start()
    thread.join()
    return out[0]


def rows(x=X):
    return tensor_rows(x, LABELS[: len(x)], KEYS[: len(x)])


BROKEN = {"functional": functional, "thread": in_another_thread}
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


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("door", DOORS)
def test_a_layer_that_is_not_called_is_named_at_every_door(how, door):
    with pytest.raises(ModelError, match="turn-over layer 'mask' was not called"):
        DOORS[door](Net(BROKEN[how]))


@pytest.mark.parametrize("door", ["scan", "sides", "publish"])
def test_a_layer_that_is_passed_by_in_eval_mode_is_named(door):
    with pytest.raises(ModelError, match="'mask' was not called"):
        DOORS[door](Net(only_in_training).train())


@pytest.mark.parametrize("door", ["exposure", "scan", "sides", "publish", "audit", "training"])
def test_an_optional_layer_may_be_passed_by(door):
    DOORS[door](Net(only_in_training, optional=True))


@pytest.mark.parametrize("door", ["scan", "sides", "publish", "training"])
def test_masks_that_never_reach_the_output_are_refused(door):
    net = Net(lambda net, h: 0 * net.mask(h) + 1)
    with pytest.raises(ModelError, match="the masks of 'first', 'mask' do not reach the output"):
        DOORS[door](net)


def test_a_last_layer_of_zeros_may_be_trained_but_not_scanned():
    net = Net()
    nn.init.zeros_(net.last.weight)
    before = net.last.weight
    with pytest.raises(ModelError, match="whose last layer is still zero"):
        network_scan(net, X, LABELS, KEYS)
    fit_network(net, NetworkData(rows()), TRAINING)
    assert net.last.weight is before
    assert before.abs().max() > 0
    assert network_scan(net, X, LABELS, KEYS).abs().max() > 0


def test_widened_twins_may_be_scanned_before_they_are_trained():
    net = Net(twin=True)
    net.first.configure(twin=True)
    check_masks(net, X)
    assert net.mask.twin


@pytest.mark.filterwarnings("ignore:`torch.jit.trace", "ignore::torch.jit.TracerWarning")
def test_a_traced_copy_is_refused():
    net = Net().eval()
    traced = torch.jit.trace(net, X)
    torch.testing.assert_close(traced(X), net(X))  # the full network, as it was traced
    with (
        pytest.raises(ModelError, match="'first' and 1 more were not called"),
        exposure(net, KEYS),
    ):
        traced(X)
    with pytest.raises(ModelError, match="no turn-over layer"):
        exposure(traced, KEYS)
    with exposure(net, KEYS), pytest.raises(ModelError, match="a trace would keep their masks"):
        torch.jit.trace(net, X)


def test_an_exported_copy_keeps_no_masks():
    net = Net().eval()
    torch.testing.assert_close(torch.export.export(net, (X,)).module()(X), net(X))
    with exposure(net, KEYS), pytest.raises(ModelError, match="a trace would keep their masks"):
        torch.export.export(net, (X,))
    graph = torch.fx.symbolic_trace(net)
    torch.testing.assert_close(graph(X), net(X))
    with pytest.raises(ModelError, match="no turn-over layer"):
        exposure(graph, KEYS)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")
def test_a_script_cannot_be_made_of_a_network_with_masks():
    with pytest.raises((RuntimeError, torch.jit.frontend.NotSupportedError)):
        torch.jit.script(Net())


def test_packed_weights_are_no_parameters_and_scanned_all_the_same():
    class Packed(nn.Module):  # as `torch.ao.quantization` leaves a Linear
        def __init__(self, real):
            super().__init__()
            self.register_buffer("weight", real.weight.detach().clone())

        def forward(self, x):
            return x @ self.weight.T

    net = nn.Sequential(
        nn.Linear(4, 8, bias=False), TurnoverDropout(8), nn.Linear(8, 2, bias=False)
    )
    packed = nn.Sequential(Packed(net[0]), TurnoverDropout(8), Packed(net[2])).eval()
    torch.testing.assert_close(
        network_scan(packed, X, LABELS, KEYS), network_scan(net.eval(), X, LABELS, KEYS)
    )
    assert network_sides(packed, rows()).flipped.shape == (ROWS, 2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_compiled_network_takes_the_keys_of_each_call(whole):
    net = Net()
    plain = copy.deepcopy(net)
    if whole:
        net = torch.compile(net, backend="eager")
    else:
        net.b.compile(backend="eager")
    for keys in (KEYS, KEYS + 1, KEYS * 3):
        for side in ("learned", "flipped"):
            torch.testing.assert_close(
                exposed(net, side, keys=keys), exposed(plain, side, keys=keys)
            )
    torch.testing.assert_close(
        network_scan(net, X, LABELS, KEYS), network_scan(plain, X, LABELS, KEYS)
    )


def test_copies_in_threads_are_refused():
    net = Net()
    replica = net._replicate_for_data_parallel()
    with pytest.raises(ModelError, match="DataParallel runs copies"):
        exposure(replica, KEYS)
    parallel = nn.DataParallel(net)
    parallel.device_ids = [0, 1]
    with pytest.raises(ModelError, match="DataParallel runs copies"):
        exposure(parallel, KEYS)
    parallel.device_ids = []
    torch.testing.assert_close(exposed(parallel, "flipped"), exposed(net, "flipped"))


def test_checkpointing_counts_both_passes():
    net = Net(lambda net, h: checkpoint(net.mask, h, use_reentrant=False))
    with exposure(net, KEYS):
        net(X).sum().backward()


def test_an_error_of_the_pass_is_not_covered_by_the_guard():
    net = Net(lambda net, h: 1 / 0)
    with pytest.raises(ZeroDivisionError), exposure(net, KEYS):
        net(X)
    carrier = KeyCarrier(net)
    with pytest.raises(ZeroDivisionError):
        net(X, key=KEYS)
    net.how = lambda net, h: net.mask(h)
    net(X, key=KEYS)  # the pass before came to no end, and is not judged
    carrier.remove()


def test_the_carrier_names_a_layer_that_was_not_called():
    carrier = KeyCarrier(net := Net(functional))
    net(X, key=KEYS)
    with pytest.raises(ModelError, match="'mask' was not called"):
        carrier.close()
    carrier.remove()


def test_inner_exposures_answer_for_their_layers():
    net = Net()
    with exposure(net, KEYS), exposure(net, KEYS, "flipped"):
        net(X)
    with exposure(net, KEYS), exposure(net, side=None):
        net(X)


def test_a_layer_where_pytorch_takes_a_number_is_refused():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    attention.dropout = TurnoverDropout(8)
    with pytest.raises(ModelError, match="MultiheadAttention takes its dropout as a number"):
        exposure(nn.Sequential(attention), KEYS)
    net = nn.Sequential(nn.LSTM(4, 8, num_layers=2, dropout=0.1))
    with pytest.raises(ModelError, match="no place for a mask"):
        inject(net, "*")


# Fused kernels ------------------------------------------------------------------------------------


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


# Rows ---------------------------------------------------------------------------------------------


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


# Binary -------------------------------------------------------------------------------------------


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
