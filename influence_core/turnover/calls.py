"""Call any classifier the same way: a tensor, a tuple or a dictionary in, logits out.

Vision models take a tensor and return one; Hugging Face models take keywords and return an object
with `.logits`. The audit, the general scan and network training all go through here.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from influence_core.errors import ModelError

Inputs: TypeAlias = "Tensor | Sequence[Tensor] | Mapping[str, Tensor]"


def logits_of(model: nn.Module, inputs: Inputs) -> Tensor:
    """Run `model` on `inputs`; returns its logits (rows, C).

    A single logit z, of a model trained with binary cross-entropy, becomes two classes [0, z]:
    their softmax is (1 − σ(z), σ(z)), and their cross-entropy the binary one.

    Raises:
        ModelError: if the output holds no tensor that could be logits.
    """
    output: Any
    if isinstance(inputs, Tensor):
        output = model(inputs)
    elif isinstance(inputs, Mapping):
        output = model(**inputs)
    else:
        output = model(*inputs)
    found = output if isinstance(output, Tensor) else getattr(output, "logits", None)
    if found is None and isinstance(output, Mapping):
        found = output.get("logits")
    if found is None and isinstance(output, tuple) and output:
        found = output[0]
    if not isinstance(found, Tensor):
        raise ModelError(
            f"{type(model).__name__} returned {type(output).__name__} without logits; return a "
            "tensor, or an object with `.logits`, and pass no labels."
        )
    if found.ndim <= 1:
        # (B,) is one logit a row; of a single row it may also be that row's classes, squeezed.
        found = found.reshape(1, -1) if row_count(inputs) == 1 else found.reshape(-1, 1)
    if found.ndim != 2:
        raise ModelError(
            f"{type(model).__name__} returned a tensor of shape {tuple(found.shape)}; a classifier "
            "returns one vector of logits a row, (B, C)."
        )
    if found.shape[1] == 1:
        found = torch.cat([torch.zeros_like(found), found], dim=1)  # (B, 2)
    return found


def map_inputs(inputs: Inputs, function: Callable[[Tensor], Tensor]) -> Inputs:
    """Apply a function to every tensor of the inputs."""
    if isinstance(inputs, Tensor):
        return function(inputs)
    if isinstance(inputs, Mapping):
        return {name: function(value) for name, value in inputs.items()}
    return tuple(function(value) for value in inputs)


def take_rows(inputs: Inputs, rows: Sequence[int] | slice | Tensor) -> Inputs:
    """The given rows of every tensor."""
    index = rows if isinstance(rows, slice | Tensor) else torch.tensor(list(rows))
    return map_inputs(inputs, lambda tensor: tensor[index])


def to_device(inputs: Inputs, device: torch.device) -> Inputs:
    """Move every tensor."""
    return map_inputs(inputs, lambda tensor: tensor.to(device))


def device_of(model: nn.Module) -> torch.device:
    """Where a model with turn-over layers is; one of packed weights (int8) has no parameters."""
    return next(chain(model.parameters(), model.buffers())).device


def row_count(inputs: Inputs) -> int:
    """How many rows the inputs hold.

    Raises:
        ModelError: if there is no tensor, or the tensors disagree.
    """
    if isinstance(inputs, Tensor):
        return len(inputs)
    tensors = list(inputs.values()) if isinstance(inputs, Mapping) else list(inputs)
    counts = {len(tensor) for tensor in tensors}
    if len(counts) != 1:
        raise ModelError(
            f"The model's inputs have {sorted(counts)} rows; give every tensor one row per item."
        )
    return counts.pop()
