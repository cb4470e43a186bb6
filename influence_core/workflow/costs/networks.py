"""What fine-tuning a whole network will take, from a few steps of a copy.

Nobody can tell from a network's name what an epoch takes, so a copy of it makes a few steps before
the long work begins, and what it does with them is thrown away. Called by `workflow.train.network`.
"""

import copy
import gc
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from influence_core.errors import ResourceError
from influence_core.models.device import drop_cache, seconds_of
from influence_core.training.networks.fit import run_epoch
from influence_core.training.networks.loop import NetworkLoop
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.sides import network_view
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.calls import device_of, logits_of, to_device
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import turnover_layers
from influence_core.workflow.costs.estimate import Estimate

_BATCHES = 2  # that are measured
_COPIES = 5  # of what is trained: gradients, Adam's two moments, the best so far, a checkpoint's
_BOTH_SIDES = 2  # forward passes that looking at both sides of a row takes, at most


@dataclass(frozen=True)
class Pace:
    """Seconds a row, and bytes that the training holds."""

    train: float
    look: float  # the full network's forward pass
    bytes: float


def finetune_text(
    model: nn.Module,
    rows: Mapping[str, NetworkRows],
    training: NetworkTraining,
    cancel: threading.Event | None = None,
) -> str | None:
    """The sentence before a training; None if it is short, or memory runs out already here.

    Raises:
        CancelledError: `cancel` was set.
    """
    try:
        measured = pace(model, rows["train"], training, cancel=cancel)
    except ResourceError:  # the training itself says so, if it comes to it
        return None
    counts = {split: len(part) for split, part in rows.items()}
    early = "" if training.watch == "nothing" else ", or less if it stops early"
    return training_estimate(measured, counts, training).sentence(early)


def training_estimate(
    measured: Pace, rows: Mapping[str, int], training: NetworkTraining
) -> Estimate:
    """All epochs, what is looked at after each, and what a run keeps in the end."""
    count = rows["train"]
    watched = sum(rows.get(name, 0) for name in ("valid", "test"))
    looks = _BOTH_SIDES * min(count, training.probe_rows) + watched
    epoch = count * measured.train + looks * measured.look
    kept = (_BOTH_SIDES * count + sum(rows.values())) * measured.look
    return Estimate(training.epochs * epoch + kept, int(measured.bytes))


def pace(
    model: nn.Module,
    rows: NetworkRows,
    training: NetworkTraining,
    *,
    clock: Callable[[], float] = time.perf_counter,
    cancel: threading.Event | None = None,
) -> Pace:
    """Measure on a copy; the model and the random numbers of its training stay as they are.

    Raises:
        ResourceError: memory ran out. CancelledError: `cancel` was set.
    """
    try:
        return _measured(model, _spread(rows, _BATCHES * training.batch), training, clock, cancel)
    finally:
        # A loop and its batches hold each other, and the copy on a device must not stay beside the
        # training that begins now.
        gc.collect()
        drop_cache()


def _measured(
    model: nn.Module,
    some: NetworkRows,
    training: NetworkTraining,
    clock: Callable[[], float],
    cancel: threading.Event | None,
) -> Pace:
    with torch.random.fork_rng(devices=[]):
        short = replace(training, epochs=2, workers=0)
        loop = NetworkLoop(copy.deepcopy(model), NetworkData(some), short, cancel)
        run_epoch(loop, 0)  # the first one allocates and compiles
        device = loop.accelerator.device
        train = seconds_of(lambda: run_epoch(loop, 1), device, clock)
        look = seconds_of(lambda: network_view(loop.model, some, cancel=cancel), device, clock)
        held = _activations(loop.model, some, min(training.batch, len(some)))
    sizes = [(p.numel() * p.element_size(), p.requires_grad) for p in model.parameters()]
    weights = sum(size * (1 + _COPIES * trained) for size, trained in sizes)
    return Pace(train / len(some), look / len(some), float(held + weights))


def _spread(rows: NetworkRows, most: int) -> NetworkRows:
    """Rows spread over all lengths, as those of a batch are."""
    spread = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
    chosen = np.sort(np.asarray(rows.order)[spread])
    return replace(
        rows,
        labels=rows.labels[chosen],
        keys=rows.keys[chosen],
        inputs=lambda positions: rows.inputs(chosen[list(positions)].tolist()),
        order=np.arange(len(chosen)),
    )


def _activations(model: nn.Module, rows: NetworkRows, batch: int) -> int:
    """Bytes that the backward pass of a batch waits for, the weights not among them."""
    seen: dict[int, int] = {p.untyped_storage().data_ptr(): 0 for p in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen.setdefault(storage.data_ptr(), storage.nbytes())
        return tensor

    device = device_of(model)
    inputs = to_device(rows.inputs(list(range(batch))), device)
    masked = bool(turnover_layers(model))
    model.train()
    with (
        exposure(model, rows.keys[:batch]) if masked else nullcontext(),
        torch.enable_grad(),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
    ):
        logits_of(model, inputs)
    return sum(seen.values())
