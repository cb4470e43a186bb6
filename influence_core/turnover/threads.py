"""Compiled loops on several cores.

Plain threads around code that releases the interpreter, instead of numba's own `prange`: without
OpenMP or TBB (macOS, some containers) numba falls back to a layer that ends the process when two
browser sessions compute at the same time.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def in_threads(work: Callable[[T], Any], items: Iterable[T]) -> None:
    """Call `work` on every item, on as many threads as torch may use; the first error is raised."""
    todo = list(items)
    count = min(torch.get_num_threads(), len(todo))
    if count <= 1:
        for item in todo:
            work(item)
        return
    for _ in _pool(os.getpid(), count).map(work, todo):
        pass


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    # Keyed by process: a fork does not inherit threads.
    return ThreadPoolExecutor(threads, thread_name_prefix=f"turnover-{process}")
