"""Train a whole network under turn-over dropout, through Accelerate.

One loop for a CPU, a GPU or several processes: every row of a batch runs under its own mask, so
each process needs only its own rows' keys. After every epoch both sides are measured on a fixed
part of the training rows (their curves separate as the network begins to memorise), a checkpoint
is written, and training stops when what it watches no longer improves. Like the heads, it watches
the flipped side's 1 − p(label): out-of-sample, free, and not distorted by label noise.

No gradient clipping by norm: it scales one row's step by all others', a whisper across sides.
`registry` builds networks, `sides` reads a trained one; `workflow` calls all three.
"""

import threading
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch import nn

from influence_core.disk.checkpoint import Checkpoint
from influence_core.errors import DataError, ModelError
from influence_core.models.device import memory_told
from influence_core.progress import Progress, ProgressFn
from influence_core.training.networks.checkpoint import identity, load_state, save_state
from influence_core.training.networks.loop import NetworkLoop
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.types import NetworkData, NetworkFit, NetworkTraining


def fit_network(
    model: nn.Module,
    data: NetworkData,
    training: NetworkTraining | None = None,
    *,
    checkpoint: Path | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> NetworkFit:
    """Train a network, in place; it ends with the weights of the best epoch.

    Args:
        model: with turn-over layers (`inject`); one without is trained plainly, for comparison.
        data: rows with keys.
        training: settings.
        checkpoint: a file to write after every epoch and to continue from if it is this training's.
            On a CPU an interrupted training ends with the very weights of an unbroken one. The
            caller removes it.
        progress: called after every epoch in the main process.
        cancel: set it to stop; what the checkpoint holds is kept.

    Raises:
        DataError: no rows, or rows without a label. ModelError: nothing to train, or divergence.
        ResourceError: memory.
    """
    training = training or NetworkTraining()
    check_network(model, data)
    with torch.random.fork_rng(devices=[]):
        belongs_to = identity(data.train, asdict(replace(training, device="", workers=0)), model)
        loop = NetworkLoop(model, data, training, cancel)
        loop.check()
        file = Checkpoint(checkpoint, belongs_to) if checkpoint else None
        found = load_state(file) if file else None
        if found is not None:
            loop.restore(found)
        for epoch in range(found.epoch if found else 0, training.epochs):
            if loop.stale(epoch):
                break
            run_epoch(loop, epoch)
            stats, not_kept = loop.measure(epoch), ""
            if loop.main and file:
                not_kept = save_state(file, loop.state(epoch + 1))
            if loop.main and progress:
                event = Progress("train", epoch + 1, training.epochs, not_kept, asdict(stats))
                progress(event)
        return loop.finish()


def run_epoch(loop: NetworkLoop, epoch: int) -> None:
    """One pass over the training rows.

    Raises:
        ResourceError: memory ran out.
    """
    with memory_told(
        f"Memory ran out in a training batch of {loop.training.batch} rows; lower the batch "
        "size or the size of the inputs."
    ):
        loop.epoch(epoch)


def check_network(model: nn.Module, data: NetworkData) -> None:
    """Refuse what cannot be trained.

    Raises:
        DataError: no rows, or rows without a label. ModelError: nothing to train.
    """
    check_labels(data.train)
    if not any(p.requires_grad for p in model.parameters()):
        raise ModelError("Every parameter of the model is frozen; there is nothing to train.")


def check_labels(rows: NetworkRows) -> None:
    """Refuse training rows without a label, or none at all.

    Raises:
        DataError: names the first row.
    """
    if not len(rows):
        raise DataError("There are no training rows; add some.")
    if int(rows.labels.min()) < 0:
        row = int(rows.labels.argmin())
        raise DataError(f"Training row {row} has no label; drop rows without a label first.")
