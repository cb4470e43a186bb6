"""Masks that do not act are refused, whatever keeps them from it; what is meant passes."""

import copy
import threading

import pytest
import torch
from guarded import DOORS, KEYS, LABELS, ROWS, TRAINING, Net, X, exposed, rows
from torch import nn
from torch.utils.checkpoint import checkpoint

from influence_core.errors import ModelError
from influence_core.influence.network_scan import network_scan
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.own_loop import KeyCarrier
from influence_core.training.networks.sides import network_sides
from influence_core.training.networks.types import NetworkData
from influence_core.turnover.checks import check_masks
from influence_core.turnover.exposure import exposure
from influence_core.turnover.inject.inject import inject
from influence_core.turnover.layer import TurnoverDropout


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


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


BROKEN = {"functional": functional, "thread": in_another_thread}


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
