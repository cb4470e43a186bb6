"""Stop and go on: everything that training a network needs to continue, in one safetensors file.

Written after each epoch (`checkpoint_file`), so that a kill at any moment leaves the last whole
epoch. Frozen parameters are not stored; they are what the network was built with.
Random numbers need no state: each epoch seeds its own. A checkpoint of other rows, settings or
masks is refused.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from influence_core.disk.checkpoint import read_file, unreadable, write_file
from influence_core.errors import MismatchError
from influence_core.training.networks.rows import NetworkRows
from influence_core.turnover.layer import check_checkpoint


@dataclass(frozen=True)
class Checkpoint:
    """Training after `epoch` whole epochs."""

    epoch: int
    model: Mapping[str, Tensor]
    best: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]  # "<parameter number>.<name of its state>"
    record: dict[str, Any]  # history and early stopping, plain values


def learned_state(model: nn.Module) -> dict[str, Tensor]:
    """Trainable parameters and all buffers, as copies on the CPU."""
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    return {
        name: value.detach().to("cpu", copy=True).contiguous()
        for name, value in model.state_dict().items()
        if name not in frozen
    }


def load_learned(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put `learned_state` back, after checking that the turn-over layers are the same."""
    check_checkpoint(model, state)
    model.load_state_dict(dict(state), strict=False)


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors, flat."""
    return {
        f"{number}.{name}": torch.as_tensor(value).detach().to("cpu", copy=True).contiguous()
        for number, state in optimiser.state_dict()["state"].items()
        for name, value in state.items()
    }


def load_optimiser(optimiser: torch.optim.Optimizer, flat: Mapping[str, Tensor]) -> None:
    """Put `optimiser_state` back; learning rates stay those of the optimiser."""
    state: dict[int, dict[str, Tensor]] = {}
    for path, value in flat.items():
        number, _, name = path.partition(".")
        state.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def identity(rows: NetworkRows, settings: Mapping[str, Any], model: nn.Module) -> str:
    """sha256 over what a checkpoint belongs to: keys, labels, settings, parameter shapes."""
    shapes = [(n, list(p.shape), p.requires_grad) for n, p in model.named_parameters()]
    digest = hashlib.sha256(json.dumps([dict(settings), shapes], sort_keys=True).encode())
    digest.update(rows.keys.cpu().numpy().tobytes())
    digest.update(rows.labels.cpu().numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: Checkpoint, belongs_to: str) -> None:
    """Write atomically.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    parts = {"model": state.model, "best": state.best, "optimiser": state.optimiser}
    tensors = {f"{part}/{name}": t for part, named in parts.items() for name, t in named.items()}
    about = {"epoch": state.epoch, "identity": belongs_to, "record": state.record}
    write_file(path, tensors, about)


def load_checkpoint(path: Path, belongs_to: str) -> Checkpoint | None:
    """The checkpoint at a path, or None if there is none.

    Raises:
        StoreError: the file is damaged. MismatchError: it belongs to another training.
    """
    if not path.is_file():
        return None
    tensors, about = read_file(path)
    try:
        epoch, record, owner = int(about["epoch"]), dict(about["record"]), about["identity"]
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise unreadable(path, error) from error
    if owner != belongs_to:
        raise MismatchError(
            f"The checkpoint {path} belongs to a training with other rows, labels or settings; "
            "delete it, or train with the settings it was made with."
        )

    def part(name: str) -> dict[str, Tensor]:
        head = name + "/"
        return {key[len(head) :]: t for key, t in tensors.items() if key.startswith(head)}

    return Checkpoint(epoch, part("model"), part("best"), part("optimiser"), record)
