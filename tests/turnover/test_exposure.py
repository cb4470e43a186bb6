"""Keys travel by context: nesting, threads, checkpointing, and what is refused."""

import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from influence_core.errors import KeysError, ModelError
from influence_core.turnover.exposed import open_exposure
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import TurnoverDropout


class Small(nn.Module):
    """Two masked layers, optionally run again inside backward."""

    def __init__(self, recompute: bool | None = None) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), TurnoverDropout(16))
        self.last = nn.Sequential(
            nn.Linear(16, 16), nn.ReLU(), TurnoverDropout(16), nn.Linear(16, 3)
        )
        self.recompute = recompute  # None: off; else use_reentrant

    def forward(self, x):
        if self.recompute is None:
            return self.last(self.first(x))
        hidden = checkpoint(self.first, x, use_reentrant=self.recompute)
        return checkpoint(self.last, hidden, use_reentrant=self.recompute)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Small()


KEYS = torch.tensor([11, 12, 13])
X = torch.linspace(-1, 1, 18).view(3, 6)


def test_masks_ignore_batch_order_and_company(model):
    with exposure(model, KEYS):
        together = model(X)
    order = torch.tensor([2, 0, 1])
    with exposure(model, KEYS[order]):
        torch.testing.assert_close(model(X[order]), together[order])
    with exposure(model, KEYS[1:2]):
        torch.testing.assert_close(model(X[1:2]), together[1:2])


def test_repeated_keys_share_a_mask(model):
    row = X[:1].expand(2, -1)
    with exposure(model, torch.tensor([7, 7])):
        a, b = model(row)
    # Not to the bit: a matrix product may round its rows differently.
    torch.testing.assert_close(a, b)
    with exposure(model, torch.tensor([7, 8])):
        a, b = model(row)
    assert not torch.allclose(a, b, atol=1e-3)


def test_uint64_keys_are_the_same_bits_as_int64(model):
    keys = np.array([2**64 - 5, 3], dtype=np.uint64)
    with exposure(model, keys):
        a = model(X[:2])
    with exposure(model, torch.tensor([-5, 3])):
        assert torch.equal(model(X[:2]), a)


def test_contexts_nest_and_restore(model):
    with exposure(model, KEYS):
        learned = model(X)
        with exposure(model, KEYS, side="flipped"):
            flipped = model(X)
            with exposure(model, side=None):
                full = model(X)  # train mode, asked for explicitly
            assert torch.equal(model(X), flipped)
        assert torch.equal(model(X), learned)
    assert not torch.equal(learned, flipped)
    model.eval()
    assert torch.equal(model(X), full)


def test_inner_exposure_of_a_part_leaves_the_rest(model):
    with exposure(model, KEYS), exposure(model.last, KEYS, side="flipped"):
        states = [open_exposure(m).side for m in model.modules() if isinstance(m, TurnoverDropout)]
        model(X)
    assert states == ["learned", "flipped"]


def test_an_error_inside_closes_the_exposure(model):
    with pytest.raises(ZeroDivisionError), exposure(model, KEYS):
        raise ZeroDivisionError
    with pytest.raises(KeysError):
        model(X)


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_sees_the_same_masks(model, reentrant):
    again = Small(recompute=reentrant)
    again.load_state_dict(model.state_dict())
    grads = []
    for net in (model, again):
        x = X.clone().requires_grad_()
        with exposure(net, KEYS):
            net(x).square().sum().backward()
        grads.append([x.grad, *(p.grad for p in net.parameters())])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_threads_do_not_see_each_others_keys(model):
    model.eval()
    with exposure(model, KEYS):
        expected = {0: model(X).detach()}
    with exposure(model, KEYS, side="flipped"):
        expected[1] = model(X).detach()
    expected[2] = model(X).detach()
    barrier = threading.Barrier(3)
    wrong = []

    def work(number):
        for _ in range(20):
            barrier.wait()
            if number == 2:
                got = model(X)
            else:
                with exposure(model, KEYS, side=("learned", "flipped")[number]):
                    got = model(X)
            if not torch.equal(got, expected[number]):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


class InAnotherThread(torch.autograd.Function):
    """Runs a module again in a fresh thread during backward, as the engine does for a GPU."""

    @staticmethod
    def forward(ctx, x, module, seen):
        ctx.module, ctx.seen = module, seen
        ctx.save_for_backward(x)
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        task = torch._C._current_graph_task_id()

        def again():
            original = torch._C._current_graph_task_id
            torch._C._current_graph_task_id = lambda: task  # the engine sets it in its threads
            try:
                ctx.seen.append(open_exposure(ctx.module))
            except KeysError as error:
                ctx.seen.append(error)
            finally:
                torch._C._current_graph_task_id = original

        thread = threading.Thread(target=again)
        thread.start()
        thread.join()
        return grad, None, None


def test_a_backward_thread_falls_back_to_the_innermost_open_exposure():
    layer, seen = TurnoverDropout(4), []
    x = torch.ones(2, 4, requires_grad=True)
    with exposure(layer, torch.tensor([1, 2])), exposure(layer, torch.tensor([3, 4])):
        InAnotherThread.apply(layer(x), layer, seen).sum().backward()
        own = open_exposure(layer)
    assert seen == [own]
    assert own.keys.tolist() == [3, 4]


def test_a_backward_thread_refuses_to_guess_between_two_trainings():
    layer, seen = TurnoverDropout(4), []
    x = torch.ones(2, 4, requires_grad=True)
    opened, done = threading.Event(), threading.Event()

    def train_too():
        with exposure(layer, torch.tensor([1, 2])):
            layer(x)
            opened.set()
            done.wait(600)

    other = threading.Thread(target=train_too)
    other.start()
    opened.wait(600)
    with exposure(layer, torch.tensor([3, 4])):
        InAnotherThread.apply(layer(x), layer, seen).sum().backward()
    done.set()
    other.join()
    assert isinstance(seen[0], KeysError)
    assert "cannot know whose rows" in str(seen[0])


def test_key_count_must_be_the_row_count(model):
    with exposure(model, KEYS), pytest.raises(KeysError, match="2 rows but 3 keys"):
        model(X[:2])
    with exposure(model, KEYS), pytest.raises(KeysError, match="1 rows but 3 keys"):
        model(X[:1])


def test_one_row_broadcasts_against_all_keys_when_asked(model):
    with exposure(model, KEYS, broadcast=True):
        got = model(X[:1])
    with exposure(model, KEYS):
        torch.testing.assert_close(got, model(X[:1].expand(3, -1)))


@pytest.mark.parametrize(
    "keys", [None, torch.tensor([1.0]), torch.tensor([[1]]), np.array(["a"]), torch.tensor([True])]
)
def test_keys_that_are_no_keys_are_refused(model, keys):
    with pytest.raises(KeysError):
        exposure(model, keys)


def test_a_model_without_layers_and_an_unknown_side_are_refused(model):
    with pytest.raises(ModelError, match="no turn-over layer"):
        exposure(nn.Linear(2, 2), KEYS)
    with pytest.raises(ModelError, match="no side 'left'"):
        exposure(model, KEYS, side="left")
