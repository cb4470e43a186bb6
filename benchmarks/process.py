"""Run one method in a process of its own and look at what it costs.

A method is a function of a `Task` that gets ready and returns `Ready`. In the new process it runs
once on a few rows that count for nothing, so that imports, compilation and first calls are nobody's
cost; then on the task. The parent watches the process's resident memory meanwhile: what it reaches
beyond the state after that first run is the method's peak.
"""

import multiprocessing as mp
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.task import Task


@dataclass(frozen=True)
class Ready:
    """A method made ready.

    Attributes:
        score: scores (T, N) of `task` targets[slice].
        training: seconds for the models that it reads. setup: seconds after that.
        members: so many of the first members of `task.head()` are what it reads, or all of them
            where it reads none; 0 where it reads other heads.
    """

    score: Callable[[slice], np.ndarray]
    training: float
    setup: float
    members: int = 16


@dataclass(frozen=True)
class Measured:
    """What came out, and what it cost."""

    scores: np.ndarray  # (T, N)
    training: float
    setup: float
    batch: float  # seconds for all targets together
    alone: float  # seconds for one target by itself
    peak: float  # MB
    members: int = 16  # as in `Ready`

    @property
    def total(self) -> float:
        """Seconds from nothing to the scores of all targets."""
        return self.training + self.setup + self.batch


Method = Callable[[Task], Ready]


def run(pipe: Any, method: Method, task: Task, threads: int) -> None:
    """In the child: warm up, get ready, score; send numbers, or a sentence that says why not."""
    torch.set_num_threads(threads)
    try:
        first = method(task.small())
        first.score(slice(0, 8))
        first.score(slice(0, 1))
        pipe.send("warm")
        ready = method(task)
        start = time.perf_counter()
        scores = np.asarray(ready.score(slice(0, len(task.yt))))
        batch = time.perf_counter() - start
        start = time.perf_counter()
        ready.score(slice(0, 1))
        alone = time.perf_counter() - start
        pipe.send((scores, ready.training, ready.setup, batch, alone, ready.members))
    except ImportError as error:
        pipe.send(f"not installed ({error.name or error})")
    except Exception as error:
        traceback.print_exc()
        pipe.send(f"failed: {type(error).__name__}: {str(error)[:80]}")


def measure(method: Method, task: Task, threads: int) -> Measured | str:
    """Run a method in a process of its own; a sentence where it cannot run."""
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    child = context.Process(target=run, args=(there, method, task, threads))
    child.start()
    there.close()
    watched = psutil.Process(child.pid)
    base = peak = 0
    answer: Any = "warm"
    try:
        while answer == "warm":
            while not here.poll(0.01):
                peak = max(peak, memory(watched))
            answer = here.recv()
            if answer == "warm":
                base = peak = memory(watched)
    except EOFError:
        answer = "failed: the process died"
    child.join()
    if isinstance(answer, str):
        return answer
    *costs, members = answer
    return Measured(*costs, peak=(peak - base) / 2**20, members=members)


def memory(process: psutil.Process) -> int:
    """Resident bytes; 0 once it has ended."""
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0
