"""The loop behind `fit_network`: batches under masks, both sides measured, the best epoch kept.

Accelerate moves batches, scales losses and averages gradients over processes. A batch is split
among them, so what a training does depends neither on their number nor on a resume in between.
"""

import math
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from influence_core.errors import ModelError
from influence_core.progress import check_cancel
from influence_core.training.networks.accelerator import make_accelerator
from influence_core.training.networks.checkpoint import (
    NetworkState,
    learned_state,
    load_learned,
    load_optimiser,
    optimiser_state,
)
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.sides import network_sides, network_view
from influence_core.training.networks.types import (
    NetworkData,
    NetworkEpoch,
    NetworkFit,
    NetworkTraining,
)
from influence_core.turnover.calls import logits_of, to_device
from influence_core.turnover.checks import check_masks

if TYPE_CHECKING:
    from accelerate import Accelerator
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import number_layers, turnover_layers


class _Order(Sampler[int]):
    """All positions in an order of (seed, epoch), the same in every process."""

    def __init__(self, rows: int, seed: int) -> None:
        self.rows, self.seed, self.epoch = rows, seed, 0

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[int]:
        rng = torch.Generator().manual_seed(_epoch_seed(self.seed, self.epoch))
        return iter(torch.randperm(self.rows, generator=rng).tolist())


def _epoch_seed(seed: int, epoch: int) -> int:
    return (seed * 1_000_003 + epoch) % 2**63


class NetworkLoop:
    """Model, optimiser, batches and records of one `fit_network` call."""

    def __init__(
        self,
        model: nn.Module,
        data: NetworkData,
        training: NetworkTraining,
        cancel: threading.Event | None,
    ) -> None:
        self.data, self.training, self.cancel = data, training, cancel
        self.accelerator: Accelerator = make_accelerator(training.device, training.precision)
        self.main = bool(self.accelerator.is_main_process)
        if training.batch % self.accelerator.num_processes:
            raise ModelError(
                f"A batch of {training.batch} rows cannot be split among "
                f"{self.accelerator.num_processes} processes; choose a multiple."
            )
        self.model = model
        self.masked = bool(turnover_layers(model))
        if self.masked:
            number_layers(model)
        self.order = _Order(len(data.train), training.seed)
        loader: DataLoader[int] = DataLoader(
            range(len(data.train)),  # type: ignore[arg-type]
            batch_size=training.batch,
            sampler=self.order,
            collate_fn=self._batch,
            num_workers=training.workers,
        )
        trainable = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trainable, weight_decay=training.weight_decay)
        self.wrapped, self.optimiser, self.loader = self.accelerator.prepare(
            model, optimiser, loader
        )
        self.history: list[NetworkEpoch] = []
        self.best = learned_state(model)
        self.best_value, self.best_stderr, self.best_epoch = math.inf, 0.0, 0

    def check(self) -> None:
        """Refuse before the first epoch what the masks cannot act on, on a few rows."""
        if self.masked:
            last = len(self.data.train) - 1
            inputs = self.data.train.inputs([0, last // 2, last])
            check_masks(self.model, to_device(inputs, self.accelerator.device), fresh=True)

    def epoch(self, epoch: int) -> None:
        """One pass over the training rows."""
        self.order.epoch = epoch
        # Ordinary dropout draws the same again after a resume, and another mask in each process.
        torch.manual_seed(_epoch_seed(self.training.seed, epoch) + self.accelerator.process_index)
        self.wrapped.train()
        steps = len(self.loader)
        for step, (inputs, labels, keys) in enumerate(self.loader):
            check_cancel(self.cancel)
            rate = self.training.rate(epoch * steps + step, self.training.epochs * steps)
            for group in self.optimiser.param_groups:
                group["lr"] = rate
            self._step(inputs, labels, keys)

    def _step(self, inputs: Any, labels: Tensor, keys: Tensor) -> None:
        self.optimiser.zero_grad()
        # A network without turn-over layers is trained plainly.
        masks: AbstractContextManager[Any] = (
            exposure(self.wrapped, keys) if self.masked else nullcontext()
        )
        with masks:
            loss = nn.functional.cross_entropy(logits_of(self.wrapped, inputs).float(), labels)
            self.accelerator.backward(loss)
        self.optimiser.step()

    def _batch(self, positions: list[int]) -> tuple[Any, Tensor, Tensor]:
        rows = self.data.train
        inputs = rows.inputs(positions)
        if rows.augment is not None:
            inputs = rows.augment(inputs)
        return inputs, rows.labels[positions], rows.keys[positions]

    def measure(self, epoch: int) -> NetworkEpoch:
        """Both sides on the probed rows, the full network on valid and test; keeps the best."""
        finite = torch.stack([torch.isfinite(p).all() for p in self.model.parameters()])
        if not bool(finite.all()):
            raise ModelError(
                "Training diverged: the weights are no longer finite. Lower the learning rate "
                f"(now {self.training.learning_rate:g})."
            )
        learned, flipped = self._sides()
        valid, test = self._full(self.data.valid), self._full(self.data.test)
        stats = NetworkEpoch(
            epoch=epoch + 1,
            learned_loss=learned.loss,
            flipped_loss=flipped.loss,
            flipped_error=flipped.error,
            flipped_stderr=flipped.error_stderr,
            flipped_accuracy=flipped.accuracy,
            valid_loss=valid.loss,
            valid_stderr=valid.loss_stderr,
            valid_accuracy=valid.accuracy,
            test_loss=test.loss,
            test_accuracy=test.accuracy,
        )
        self.history.append(stats)
        self._keep(stats)
        return stats

    def _sides(self) -> tuple["Summary", "Summary"]:
        if not self.masked:
            return NOTHING, NOTHING
        train = self.data.train
        rows = np.linspace(0, len(train) - 1, min(len(train), self.training.probe_rows))
        index = rows.astype(np.int64)
        both = network_sides(self.model, train, positions=index, cancel=self.cancel)
        labels = train.labels[index]
        return summary(both.learned, labels), summary(both.flipped, labels)

    def _full(self, rows: NetworkRows | None) -> "Summary":
        if rows is None:
            return NOTHING
        known = (rows.labels >= 0).nonzero()[:, 0].numpy()
        view = network_view(self.model, rows, positions=known, cancel=self.cancel)
        return summary(view.proba, rows.labels[known])

    def _keep(self, stats: NetworkEpoch) -> None:
        """Keep these weights unless what is watched is clearly worse than it was."""
        value, stderr = {
            "flipped": (stats.flipped_error, stats.flipped_stderr),
            "valid": (stats.valid_loss, stats.valid_stderr),
            "nothing": (math.nan, math.nan),
        }[self.training.watch]
        if value < self.best_value:
            self.best_value, self.best_stderr = value, stderr
        if math.isnan(value) or value <= self.best_value + self.best_stderr:
            self.best, self.best_epoch = learned_state(self.model), stats.epoch

    def stale(self, epoch: int) -> bool:
        """Whether the watched value has been clearly worse for `patience` epochs."""
        return bool(self.history) and epoch - self.best_epoch >= self.training.patience

    def state(self, epoch: int) -> NetworkState:
        """Everything that `restore` needs after `epoch` epochs."""
        record = {
            "history": [asdict(stats) for stats in self.history],
            "best_value": self.best_value,
            "best_stderr": self.best_stderr,
            "best_epoch": self.best_epoch,
        }
        state = optimiser_state(self.optimiser)
        return NetworkState(epoch, learned_state(self.model), self.best, state, record)

    def restore(self, found: NetworkState) -> None:
        """Stand where a loop of the same rows and settings stood."""
        load_learned(self.model, found.model)
        load_optimiser(self.optimiser, found.optimiser)
        self.best = dict(found.best)
        self.history = [NetworkEpoch(**stats) for stats in found.record["history"]]
        self.best_value = float(found.record["best_value"])
        self.best_stderr = float(found.record["best_stderr"])
        self.best_epoch = int(found.record["best_epoch"])

    def finish(self) -> NetworkFit:
        """Put the best weights into the model, without the half-precision wrapper."""
        model = self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        load_learned(model, self.best)
        model.eval()
        return NetworkFit(self.best, self.best_epoch, tuple(self.history))


@dataclass(frozen=True)
class Summary:
    """Means over rows: loss in nats and 1 − p(label), with standard errors, and accuracy."""

    loss: float
    loss_stderr: float
    error: float
    error_stderr: float
    accuracy: float


NOTHING = Summary(math.nan, math.nan, math.nan, math.nan, math.nan)


def summary(proba: npt.NDArray[np.float32], labels: Tensor) -> Summary:
    """Sum up (n, C) probabilities of rows with labels (n,)."""
    if not len(labels):
        return NOTHING
    own = torch.from_numpy(proba)[torch.arange(len(labels)), labels].double()
    loss, error = -own.clamp_min(1e-12).log(), 1 - own
    root = max(1, len(labels)) ** 0.5
    spread = [float(x.std(correction=0)) / root for x in (loss, error)]
    hits = float((torch.from_numpy(proba).argmax(1) == labels).double().mean())
    return Summary(float(loss.mean()), spread[0], float(error.mean()), spread[1], hits)
