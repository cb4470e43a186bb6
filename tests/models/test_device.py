import pytest
import torch

from influence_core.errors import ModelError, ResourceError
from influence_core.models.device import in_chunks, pick_device


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
