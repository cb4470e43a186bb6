"""Which device does the arithmetic, in which precision, and what to do when memory runs short.

Two lines of defence: `chunk_that_fits` sizes a chunk before it is tried, because a Linux process
that takes too much is often killed rather than refused; `in_chunks` halves a chunk that was
refused all the same.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

import psutil
import torch

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
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    return int(psutil.virtual_memory().available)


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
            if not out_of_memory(error):
                raise
            if stop - start == 1:
                raise ResourceError(
                    f"Memory ran out on a single row; lower {lower}, close other programs, or "
                    "choose another device."
                ) from error
            chunk = (stop - start) // 2
        else:
            start = stop
            continue
        # Only out here is the error gone, and with it the frames that held the chunk's tensors.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return results
