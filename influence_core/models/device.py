"""Which device does the arithmetic, in which precision, and what to do when memory runs short.

Two lines of defence: `chunk_that_fits` sizes a chunk before it is tried, because a Linux process
that takes too much is often killed rather than refused; `in_chunks` halves a chunk that was
refused all the same, by `smaller`.

A card works through a queue. What is copied to it by `sent` out of pinned memory (`pinned`) joins
the queue; every other copy makes the host wait until the queue is empty. `to_host` waits once for
any number of tensors.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import psutil
import torch
from torch import Tensor

from influence_core.errors import ModelError, ResourceError

T = TypeVar("T")
_NAMES = ("auto", "cuda", "mps", "cpu")
# What torch says where it raises a plain RuntimeError: CUDA and MPS, Windows, Linux.
_SHORT = ("out of memory", "not enough memory", "can't allocate memory")


DEVICES = ("cuda", "mps", "cpu")  # best first


def pick_device(name: str = "auto") -> torch.device:
    """cuda, then mps, then cpu; or the one that was asked for.

    Raises:
        ModelError: there is no such device on this machine.
    """
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(name for name in DEVICES if found[name]))
    kind = name.split(":", maxsplit=1)[0]
    if kind not in found:
        raise ModelError(f"There is no device '{name}'; choose one of {', '.join(_NAMES)}.")
    if not found[kind]:
        here = ", ".join(name for name, there in found.items() if there)
        raise ModelError(
            f"This machine has no usable '{kind}' device; choose 'auto' or one of: {here}."
        )
    try:
        return torch.device(name)
    except RuntimeError as error:
        raise ModelError(
            f"There is no device '{name}'; a number follows the colon, such as '{kind}:0'."
        ) from error


def inference_dtype(device: torch.device) -> torch.dtype:
    """Precision of a frozen network's forward pass: half where the device is faster at it."""
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    return torch.float16 if device.type == "mps" else torch.float32


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Run a frozen network in `inference_dtype`; on the CPU this changes nothing."""
    dtype = inference_dtype(device)
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)


def memory_budget(device: torch.device) -> int:
    """Bytes that work may still take on this device without pushing anything out."""
    if device.type == "cuda":
        # What torch keeps for its next tensors is free for them.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return int(psutil.virtual_memory().available)


def device_name(device: torch.device) -> str:
    """As people know it, with torch's own name, such as "NVIDIA H100 (cuda:0)" or "cpu"."""
    if device.type == "cpu":
        return "cpu"
    known = torch.cuda.get_device_name(device) if device.type == "cuda" else "Apple GPU"
    return f"{known} ({device})"


def memory_words(device: torch.device) -> str:
    """How much memory it has and how much of that is free, in GiB."""
    if device.type == "cuda":
        total = torch.cuda.mem_get_info(device)[1]
    elif device.type == "mps":
        total = torch.mps.recommended_max_memory()
    else:
        total = psutil.virtual_memory().total
    return f"{memory_budget(device) / 2**30:.1f} of {total / 2**30:.1f} GiB of memory are free"


def chunk_that_fits(bytes_each: int, most: int, device: torch.device) -> int:
    """How many items at once take at most half of the free memory; at least 1, at most `most`."""
    return max(1, min(most, memory_budget(device) // 2 // max(bytes_each, 1)))


def out_of_memory(error: BaseException) -> bool:
    """Whether this error means that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _SHORT)


def in_chunks(
    work: Callable[[slice], T], total: int, chunk: int, *, lower: str = "the batch size"
) -> list[T]:
    """Run `work` on consecutive slices; a chunk that does not fit is halved and tried again.

    Args:
        work: called with slices of [0, total).
        total: how many rows. chunk: rows to begin with.
        lower: what the error tells the user to lower when even one row does not fit.

    Raises:
        ResourceError: one row alone does not fit.
    """
    results: list[T] = []
    start = 0
    while start < total:
        stop = min(start + chunk, total)
        try:
            results.append(work(slice(start, stop)))
        except (MemoryError, RuntimeError) as error:
            chunk = smaller(stop - start, error, lower)
        else:
            start = stop
            continue
        # Only out here is the error gone, and with it the frames that held the chunk's tensors.
        drop_cache()
    return results


def smaller(rows: int, error: BaseException, lower: str) -> int:
    """How many rows to try after so many were refused with this error: half of them.

    Raises:
        ResourceError: it was one row. The error itself, if memory was not the reason.
    """
    if not out_of_memory(error):
        raise error
    if rows == 1:
        raise ResourceError(
            f"Memory ran out on a single row; lower {lower}, close other programs, or "
            "choose another device."
        ) from error
    return rows // 2


@contextmanager
def memory_told(sentence: str) -> Iterator[None]:
    """Say this where memory runs out within.

    Raises:
        ResourceError: it did.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise ResourceError(sentence) from error


def drop_cache() -> None:
    """Give back what torch keeps of a card's memory for its next tensors."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def wait_for(device: torch.device) -> None:
    """Until the device has done all that it was given: before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def seconds_of(
    work: Callable[[], object], device: torch.device, clock: Callable[[], float]
) -> float:
    """What work takes, from an idle device to an idle device."""
    wait_for(device)
    start = clock()
    work()
    wait_for(device)
    return clock() - start


def pinned(tensor: Tensor, device: torch.device) -> Tensor:
    """The same on the CPU where a card can fetch it by itself; as it is for other devices."""
    return tensor.pin_memory() if device.type == "cuda" and tensor.device.type == "cpu" else tensor


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """The same on the device; out of pinned memory without waiting for it."""
    return tensor.to(device, non_blocking=device.type == "cuda")


def sent_array(array: npt.NDArray[Any], kind: type[np.floating], device: torch.device) -> Tensor:
    """A copy of an array on the device, of this kind of numbers, by way of pinned memory."""
    if device.type != "cuda":
        return torch.from_numpy(array.astype(kind)).to(device)
    dtype = torch.float16 if kind is np.float16 else torch.float32
    here = torch.empty(array.shape, dtype=dtype, pin_memory=True)
    here.numpy()[...] = array
    return sent(here, device)


def exact(tensor: Tensor) -> Tensor:
    """In float64, on the CPU where its own device has no such numbers."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


def to_host(*tensors: Tensor) -> tuple[npt.NDArray[Any], ...]:
    """Tensors of one device as arrays, for which the host waits once."""
    device = tensors[0].device
    if device.type != "cuda":
        return tuple(np.asarray(t.cpu().numpy()) for t in tensors)
    here = [torch.empty(t.shape, dtype=t.dtype, pin_memory=True) for t in tensors]
    for target, source in zip(here, tensors, strict=True):
        target.copy_(source, non_blocking=True)
    torch.cuda.current_stream(device).synchronize()
    return tuple(t.numpy() for t in here)
