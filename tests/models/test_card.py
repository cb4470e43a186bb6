"""What stands for a graphics card in the tests refuses and counts as a real one does."""

import gc

import pytest
import torch
from card import CUDA, card


@pytest.fixture
def there():
    with card(total=1 << 20) as owner:
        yield owner


def test_it_computes_and_its_tensors_are_its_own(there):
    x = torch.arange(6.0).view(2, 3).to("cuda")
    assert x.device == CUDA
    assert (x[:, 1:] * 2).cpu().tolist() == [[2, 4], [8, 10]]
    x[0] = torch.zeros(3, device="cuda")
    assert x.sum().item() == 12
    assert torch.tensor([1, 2], device="cuda").device == CUDA


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.numpy(),
        lambda x: x + torch.ones(3),
        lambda x: torch.ones(3)[x.long()],
        lambda x: x.index_put_((torch.tensor([0, 1]),), torch.ones(2)),
        lambda x: torch.randn(3, device="cuda", generator=torch.Generator()),
        lambda x: torch.zeros(1 << 20, device="cuda"),
    ],
)
def test_it_refuses_what_a_card_refuses(there, wrong):
    x = torch.arange(3.0).to("cuda")
    with pytest.raises((RuntimeError, TypeError)):
        wrong(x)


def test_one_without_float64_refuses_it():
    with card(doubles=False):
        x = torch.ones(2, device="cuda")
        for wrong in (x.double, lambda: torch.ones(2, dtype=torch.float64).to("cuda")):
            with pytest.raises(TypeError, match="float64"):
                wrong()
        assert x.cpu().double().to("cuda", torch.float32).device == CUDA


def test_it_counts_what_the_host_waits_for(there):
    x = torch.arange(3.0).to("cuda")
    there.waits.clear()
    (x @ x + x.mean()).exp_()
    x[torch.arange(2, device="cuda")].topk(1)
    torch.zeros(3).pin_memory().to("cuda", non_blocking=True)
    assert not there.waits
    for slow, why in [
        (lambda: float(x[0]), "_local_scalar_dense"),
        (x.cpu, "copy to the CPU"),
        (lambda: torch.zeros(3).to("cuda", non_blocking=True), "copy to the card"),
        (lambda: x[x > 1], "index by booleans"),
        (lambda: x[torch.arange(2)], "index from the CPU"),
        (lambda: torch.equal(x, x), "equal"),
    ]:
        there.waits.clear()
        slow()
        assert dict(there.waits) == {why: 1}


def test_its_memory_is_what_its_tensors_hold(there):
    x = torch.zeros(1000, device="cuda")
    view = x[:10]
    assert there.allocated == 4000
    del x
    gc.collect()
    assert there.allocated == 4000
    del view
    gc.collect()
    assert there.allocated == 0
    with pytest.raises(torch.OutOfMemoryError):
        torch.zeros(1 << 19, device="cuda")
    assert torch.cuda.mem_get_info() == (1 << 20, 1 << 20)
