import weakref

import numpy as np
import psutil
import pytest
import torch

from influence_core.errors import ModelError, ResourceError
from influence_core.models.device import (
    autocast,
    chunk_that_fits,
    in_chunks,
    inference_dtype,
    memory_budget,
    pick_device,
)


def test_auto_picks_the_best_that_is_there():
    best = (
        "cuda"
        if torch.cuda.is_available()
        else "mps"
        if torch.backends.mps.is_available()
        else "cpu"
    )
    assert pick_device("auto").type == best
    assert pick_device("cpu").type == "cpu"


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has cuda")
def test_a_device_that_is_not_there_is_refused_with_what_is():
    with pytest.raises(ModelError, match=r"no usable 'cuda'.*cpu"):
        pick_device("cuda")


def test_an_unknown_device_lists_the_known_ones():
    with pytest.raises(ModelError, match="auto, cuda, mps, cpu"):
        pick_device("gpu")


def test_a_chunk_that_does_not_fit_is_halved_and_tried_again():
    sizes = []

    def work(part):
        if part.stop - part.start > 3:
            raise RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate")
        sizes.append(part.stop - part.start)
        return list(range(part.start, part.stop))

    out = in_chunks(work, 11, 8)
    assert [i for part in out for i in part] == list(range(11))
    assert max(sizes) == 2


def test_when_one_row_does_not_fit_the_error_says_what_to_lower():
    def work(part):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(ResourceError, match="lower the length of the sentences"):
        in_chunks(work, 4, 4, lower="the length of the sentences")


def test_other_errors_pass_through():
    with pytest.raises(RuntimeError, match="shape"):
        in_chunks(lambda part: (_ for _ in ()).throw(RuntimeError("shape")), 4, 4)


@pytest.mark.parametrize(
    "ask",
    [lambda n: torch.empty(n * 10**14), lambda n: np.empty(n * 10**14)],
    ids=["torch", "numpy"],
)
def test_what_this_machine_really_says_when_memory_runs_out_is_understood(ask):
    def work(part):
        rows = part.stop - part.start
        if rows > 1:
            ask(rows)
        return rows

    assert in_chunks(work, 4, 4) == [1, 1, 1, 1]


def test_a_last_chunk_shorter_than_the_others_is_halved_from_its_own_size():
    sizes = []

    def work(part):
        sizes.append(part.stop - part.start)
        if part.stop == 10 and part.stop - part.start > 1:
            raise MemoryError

    in_chunks(work, 10, 8)
    assert sizes == [8, 2, 1, 1]


def test_a_refused_chunk_is_released_before_the_next_is_tried():
    held = []

    class Big:
        pass

    def work(part):
        assert all(ref() is None for ref in held)
        big = Big()
        held.append(weakref.ref(big))
        if part.stop - part.start > 1:
            raise MemoryError

    in_chunks(work, 4, 4)
    assert len(held) == 6


def test_a_chunk_is_sized_to_half_of_the_free_memory():
    cpu = torch.device("cpu")
    free = memory_budget(cpu)
    assert 0 < free <= psutil.virtual_memory().total
    assert chunk_that_fits(1, 64, cpu) == 64
    assert chunk_that_fits(10 * free, 64, cpu) == 1
    assert 6 <= chunk_that_fits(free // 20, 64, cpu) <= 14


def test_the_processor_keeps_full_precision_and_other_devices_take_half():
    x = torch.randn(3, 4)
    with autocast(torch.device("cpu")):
        assert (x @ x.T).dtype == torch.float32
    assert inference_dtype(torch.device("cpu")) == torch.float32
    assert inference_dtype(torch.device("mps")) == torch.float16


def test_a_device_number_that_makes_no_sense_is_refused():
    with pytest.raises(ModelError, match="no device 'cpu:first'"):
        pick_device("cpu:first")
