"""Compiled loops on several cores, and leaving one to somebody else.

Plain threads around code that releases the interpreter, instead of numba's own `prange`: without
OpenMP or TBB (macOS, some containers) numba falls back to a layer that ends the process when two
browser sessions compute at the same time.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def in_threads(work: Callable[[T], Any], items: Iterable[T]) -> None:
    """Call `work` on every item, on as many threads as torch may use; the first error is raised.

    The calling thread works too: waking one thread less is a good part of a millisecond.
    """
    todo = list(items)
    count = min(torch.get_num_threads(), len(todo))
    if count <= 1:
        for item in todo:
            work(item)
        return
    left = iter(todo)  # next() of a list's iterator is atomic, so each item is taken once

    def share() -> None:
        for item in left:
            work(item)

    pool = _helpers(os.getpid(), count - 1)
    others = [pool.submit(share) for _ in range(count - 1)]
    try:
        share()
    finally:
        # A thread that has not begun finds nothing left; until it wakes may take milliseconds.
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


@contextmanager
def one_core_free() -> Iterator[None]:
    """Leave a core to a program that starts meanwhile, for as long as the block runs.

    Torch's threads wait for each other by asking all the time: where one of them has lost its core,
    the others burn theirs, and both programs take twice as long.
    """
    usual = torch.get_num_threads()
    torch.set_num_threads(max(1, usual - 1))
    try:
        yield
    finally:
        torch.set_num_threads(usual)


@cache
def _helpers(process: int, threads: int) -> ThreadPoolExecutor:
    # Keyed by process: a fork does not inherit threads.
    return ThreadPoolExecutor(threads, thread_name_prefix=f"turnover-{process}")
