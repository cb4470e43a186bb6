"""The devices that a test is run on: the processor, a card that stands for one, and what is there.

Tests of a real device carry the mark `gpu` and are skipped, with a reason, where there is none.
"""

from contextlib import contextmanager

import pytest
import torch
from card import Card, card

_THERE = {
    "cuda": torch.cuda.is_available(),
    "mps": torch.backends.mps.is_available(),
}
REAL = [
    pytest.param(
        name,
        marks=[pytest.mark.gpu, pytest.mark.skipif(not there, reason=f"no {name} device here")],
    )
    for name, there in _THERE.items()
]
CARDS = ["card", *REAL]  # whatever is not the processor
DEVICES = ["cpu", *CARDS]


@contextmanager
def device(name):
    """The device of that name, and what stands for it if it is made up."""
    if name == "card":
        with card() as owner:
            yield torch.device("cuda"), owner
    else:
        yield torch.device(name), None


def allocated(where):
    """Bytes of tensors on a device."""
    if where.type == "mps":
        return torch.mps.current_allocated_memory()
    return torch.cuda.memory_allocated(where)


@contextmanager
def filled(where, leave, owner: Card | None):
    """So few bytes of the device are left."""
    if owner is not None:
        total, owner.total = owner.total, owner.allocated + leave
        yield
        owner.total = total
        return
    torch.cuda.empty_cache()
    room = torch.cuda.mem_get_info(where)[0] - leave
    filler = torch.empty(max(0, room), dtype=torch.uint8, device=where)
    yield
    del filler
    torch.cuda.empty_cache()
