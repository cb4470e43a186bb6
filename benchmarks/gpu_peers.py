"""Captum, TRAK and kronfluence on a device, each on a member of a head of its own training.

Needs the extra `benchmark`; what is not installed is said so. Called by `benchmarks.gpu`.
"""

import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch

from benchmarks import peers
from benchmarks.process import Ready
from benchmarks.replay_time import rows_of
from benchmarks.task import Task

ITEMS = 8
METHODS: dict[str, Callable[[Task], Ready]] = {
    "Captum TracInCPFast": lambda task: peers.captum(task, "TracInCPFast"),
    "TRAK, one model": lambda task: peers.trak(task, 1),
    "kronfluence EK-FAC": lambda task: peers.kronfluence(task, 1e-8),
}


def made_up(rows: int, device: torch.device) -> Task:
    """Two classes that overlap, without a truth: only time is measured."""
    given, x, y = rows_of(rows)
    nothing = np.zeros((rows, 0), np.float32)
    return Task(
        "made up", given.features.raw, given.labels.numpy(),  # type: ignore[attr-defined]
        given.keys.numpy().view(np.uint64), 2, x[:ITEMS].numpy(), y[:ITEMS].numpy(), 0, 2,
        nothing, nothing, nothing, None, device=str(device),
    )  # fmt: skip


def timings(device: torch.device, rows: int) -> Iterator[str]:
    """A row of the table for each tool."""
    task = made_up(rows, device)
    for name, method in METHODS.items():
        title = f"| {name}, {rows:,} rows x 384, one head"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what they do is not ours to mend
                setup, took = _costs(method(task))
        except ImportError as error:
            yield f"{title} | not installed ({error.name or error}) | |"
        except Exception as error:
            yield f"{title} | failed: {type(error).__name__}: {str(error)[:60]} | |"
        else:
            yield f"{title} | {1000 * took:.1f} ms | {setup:.1f} s |"


def _costs(ready: Ready) -> tuple[float, float]:
    """Seconds of setting up, and of one item after a first one."""
    ready.score(slice(0, 1))
    start = time.perf_counter()
    ready.score(slice(0, 1))  # an array on the CPU, so the device is done
    return ready.setup, time.perf_counter() - start
