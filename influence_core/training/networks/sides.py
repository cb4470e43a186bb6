"""Both sides of every row from a trained network, and the full network's view of any rows.

The part before the first turn-over layer runs once for both sides (`turnover.prefix`). Used while
training, for the two learning curves, and afterwards, for what a run keeps: flipped-side
probabilities, self-influence, and the features that estimators like the flipped-residual ridge
read (the inputs of the last Linear layer, full network).
"""

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from influence_core.errors import ModelError
from influence_core.models.device import in_chunks
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.training.networks.rows import NetworkRows
from influence_core.turnover.calls import Inputs, device_of, logits_of, to_device
from influence_core.turnover.checks import check_masks, same
from influence_core.turnover.exposure import exposure
from influence_core.turnover.prefix import Prefix, eval_shell

BATCH = 128
HALF = torch.finfo(torch.float16).max


@dataclass(frozen=True)
class NetworkSides:
    """Per row, in the rows' order."""

    learned: npt.NDArray[np.float32]  # (n, C) probabilities
    flipped: npt.NDArray[np.float32]  # (n, C), out-of-sample for each row
    self_influence: npt.NDArray[np.float32]  # (n,) flipped loss − learned loss, nats; NaN: no label


@dataclass(frozen=True)
class NetworkView:
    """The full network on rows, in the rows' order."""

    proba: npt.NDArray[np.float32]  # (n, C)
    features: npt.NDArray[np.float16]  # (n, d) inputs of the last Linear layer


def network_sides(
    model: nn.Module,
    rows: NetworkRows,
    *,
    positions: npt.NDArray[np.int64] | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> NetworkSides:
    """Learned and flipped side of each row on itself.

    Args:
        model: with turn-over layers, on the device where it shall run.
        rows: the training rows. positions: only these, in this order.

    Raises:
        ModelError: no turn-over layer. ResourceError: one row alone does not fit into memory.
    """
    wanted = np.arange(len(rows)) if positions is None else positions
    order = _order(rows, wanted)
    device = device_of(model)

    def run(part: slice) -> tuple[Tensor, Tensor]:
        check_cancel(cancel)
        index = wanted[order[part]]
        keys = rows.keys[torch.from_numpy(index)].to(device)
        inputs = to_device(rows.inputs(index.tolist()), device)
        if not part.start:
            check_masks(model, inputs)
        prefix = Prefix(model, inputs, keys, "learned")
        with exposure(prefix.shell, keys, "flipped"):
            flipped = prefix.replay()
        if progress:
            progress(Progress("sides", min(part.stop, len(order)), len(order)))
        return prefix.logits.float().cpu(), flipped.float().cpu()

    parts = in_chunks(run, len(order), BATCH, lower="the size of the inputs")
    learned, flipped = (_in_order(torch.cat(p), order) for p in zip(*parts, strict=True))
    labels = rows.labels[torch.from_numpy(wanted)]
    gap = _loss(flipped, labels) - _loss(learned, labels)
    return NetworkSides(learned.softmax(1).numpy(), flipped.softmax(1).numpy(), gap.numpy())


@torch.no_grad()
def network_view(
    model: nn.Module,
    rows: NetworkRows,
    *,
    positions: npt.NDArray[np.int64] | None = None,
    cancel: threading.Event | None = None,
) -> NetworkView:
    """Probabilities and features of the full network (scale 1) for each row.

    Raises:
        ModelError: the network ends in no Linear layer. ResourceError: memory.
    """
    wanted = np.arange(len(rows)) if positions is None else positions
    order = _order(rows, wanted)
    shell = eval_shell(model)
    device = device_of(model)
    last = LastLinear(shell)

    def run(part: slice) -> tuple[Tensor, Tensor]:
        check_cancel(cancel)
        index = wanted[order[part]]
        with last:
            logits = logits_of(shell, to_device(rows.inputs(index.tolist()), device))
        return logits.float().cpu(), last.input(logits).clamp(-HALF, HALF).half().cpu()

    parts = in_chunks(run, len(order), BATCH, lower="the size of the inputs")
    logits, features = (_in_order(torch.cat(p), order) for p in zip(*parts, strict=True))
    return NetworkView(logits.softmax(1).numpy(), features.numpy())


@torch.no_grad()
def last_layer(model: nn.Module, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Weight (C, d) and bias (C,) of the last Linear layer: logits are features @ weight.T + bias.

    Args:
        inputs: a few rows, on the model's device, to see which layer is the last and that it is.

    Raises:
        ModelError: the network ends in no Linear layer, or works on what it gives.
    """
    shell = eval_shell(model)
    with (last := LastLinear(shell)):
        logits = logits_of(shell, inputs)
    features, layer = last.input(logits), last.layer
    weight = layer.weight.detach()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach()
    if len(weight) == 1:  # one logit z is the pair [0, z]
        weight, bias = (torch.cat([torch.zeros_like(x), x]) for x in (weight, bias))
    if not same(nn.functional.linear(features, weight, bias), logits):
        raise ModelError(
            f"The logits of {type(model).__name__} are not what its last Linear layer gives, so "
            "its features would predict something else; return that layer's output as it is: no "
            "softmax, no scaling, and adapters merged into it."
        )
    return weight, bias


class LastLinear:
    """Catches the last Linear layer of a forward pass and what it was given: the features."""

    layer: nn.Linear

    def __init__(self, model: nn.Module) -> None:
        self._linears = [m for m in model.modules() if isinstance(m, nn.Linear)]
        self._seen: Tensor | None = None
        self._handles: list[Any] = []

    def __enter__(self) -> None:
        self._seen = None
        self._handles = [m.register_forward_pre_hook(self._keep) for m in self._linears]

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def input(self, logits: Tensor) -> Tensor:
        """(rows, d) of the pass that was watched, which gave these logits (rows, C).

        Where the layer ran on every token, (rows, T, d), it is the token whose logits came out.
        """
        seen = self._seen
        if seen is not None and seen.ndim == 3 and len(seen) == len(logits):
            made = nn.functional.linear(seen, self.layer.weight, self.layer.bias)  # (rows, T, C)
            token = (made - logits[:, None, -made.shape[2] :]).abs().amax(2).argmin(1)
            seen = seen[torch.arange(len(seen), device=seen.device), token]
        if seen is None or seen.ndim != 2 or len(seen) != len(logits):
            raise ModelError(
                "The network does not end in a Linear layer on one vector a row, so it has no "
                "features to keep; end it in nn.Linear."
            )
        return seen

    def _keep(self, layer: nn.Linear, inputs: tuple[Any, ...]) -> None:
        self.layer, self._seen = layer, inputs[0]


def _order(rows: NetworkRows, wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Places in `wanted`, similar lengths together."""
    rank = np.empty(len(rows), dtype=np.int64)
    rank[rows.order] = np.arange(len(rows))
    return np.argsort(rank[wanted], kind="stable")


def _in_order(values: Tensor, order: npt.NDArray[np.int64]) -> Tensor:
    out = torch.empty_like(values)
    out[torch.from_numpy(order)] = values
    return out


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each row, NaN where there is no label."""
    loss = nn.functional.cross_entropy(logits, labels.clamp_min(0), reduction="none")
    return loss.masked_fill(labels < 0, float("nan"))
