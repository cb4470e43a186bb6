"""Which device does the arithmetic, and what to do when it runs out of memory."""

from collections.abc import Callable
from typing import TypeVar

import torch

from influence_core.errors import ModelError, ResourceError

T = TypeVar("T")
_NAMES = ("auto", "cuda", "mps", "cpu")


def pick_device(wish: str = "auto") -> torch.device:
    """cuda, then mps, then cpu; or the one that was asked for.

    Raises:
        ModelError: there is no such device on this machine.
    """
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wish == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if found[name]))
    kind = wish.split(":", maxsplit=1)[0]
    if kind not in found:
        raise ModelError(f"There is no device '{wish}'; choose one of {', '.join(_NAMES)}.")
    if not found[kind]:
        here = ", ".join(name for name, there in found.items() if there)
        raise ModelError(
            f"This machine has no usable '{kind}' device; choose 'auto' or one of: {here}."
        )
    return torch.device(wish)


def out_of_memory(error: BaseException) -> bool:
    """Whether this error means that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "not enough memory" in text or "out of memory" in text
    )


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
            if chunk == 1:
                raise ResourceError(
                    f"Memory ran out on a single row; lower {lower}, close other programs, or "
                    "choose another device."
                ) from error
            chunk = max(1, chunk // 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        start = stop
    return results
