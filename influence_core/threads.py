"""Compiled loops on several cores.

Plain threads around code that releases the interpreter, instead of numba's own `prange`: without
OpenMP or TBB (macOS, some containers) numba falls back to a layer that ends the process when two
browser sessions compute at the same time.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
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

    helpers = _helpers(os.getpid(), count - 1)
    helpers.stand_aside()
    others = [helpers.pool.submit(share) for _ in range(count - 1)]
    try:
        share()
    finally:
        # A thread that has not begun finds nothing left; until it wakes may take milliseconds.
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


class _Helpers:
    """Some threads, which keep off the core of who calls them.

    Where cores share no cache, as on many virtual machines, Linux wakes a thread on the core of who
    wakes it: the two then take turns there, beside an idle core, for longer than a scan takes.
    """

    def __init__(self, process: int, threads: int) -> None:
        self.pool = ThreadPoolExecutor(
            threads,
            thread_name_prefix=f"turnover-{process}",
            initializer=lambda: self._ids.append(threading.get_native_id()),
        )
        self._ids: list[int] = []
        self._placed: tuple[Any, ...] = ()
        self._placing = threading.Lock()

    def stand_aside(self) -> None:
        """Let the helpers run on the cores of the calling thread, but for the one it is on."""
        if sys.platform != "linux":
            return
        if not self._placing.acquire(blocking=False):
            return  # another caller is at it
        try:
            cores = os.sched_getaffinity(0) - {_own_core()}
            placed = cores, len(self._ids)  # threads begin when they are needed
            if not cores or placed == self._placed:
                return
            for helper in self._ids:
                with suppress(OSError):  # cores were taken from this process meanwhile
                    os.sched_setaffinity(helper, cores)
            self._placed = placed
        finally:
            self._placing.release()


@cache
def _helpers(process: int, threads: int) -> _Helpers:
    # Keyed by process: a fork does not inherit threads.
    return _Helpers(process, threads)


def _own_core() -> int:
    """Number of the core that this thread is on."""
    core: int = _libc().sched_getcpu()
    return core


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
