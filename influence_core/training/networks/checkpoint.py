"""Stop and go on: everything that training a network needs to continue, after each epoch.

Frozen parameters are not stored; they are what the network was built with. Random numbers need no
state: each epoch seeds its own.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from influence_core.disk.checkpoint import Checkpoint
from influence_core.disk.fingerprint import of_tensors
from influence_core.training.networks.rows import NetworkRows
from influence_core.turnover.layer import check_checkpoint


@dataclass(frozen=True)
class NetworkState:
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
    """sha256 of all that decides a training: keys, labels, settings, and the network as built.

    Args:
        model: not trained yet. Frozen parameters are not kept, so other ones must not be found.
    """
    forms = [(n, list(p.shape), p.requires_grad) for n, p in model.named_parameters()]
    about = json.dumps([dict(settings), forms], sort_keys=True)
    return of_tensors(about, {**model.state_dict(), "/keys": rows.keys, "/labels": rows.labels})


def save_state(file: Checkpoint, state: NetworkState) -> str:
    """Keep the state after a whole epoch; returns why it could not be, or ""."""
    parts = {"model": state.model, "best": state.best, "optimiser": state.optimiser}
    tensors = {f"{part}/{name}": t for part, named in parts.items() for name, t in named.items()}
    return file.save(tensors, {"epoch": state.epoch, **state.record})


def load_state(file: Checkpoint) -> NetworkState | None:
    """What was saved last; None if there is nothing to go on from."""
    found = file.load()
    if found is None:
        return None
    tensors, record = found

    def part(name: str) -> dict[str, Tensor]:
        head = name + "/"
        return {key[len(head) :]: t for key, t in tensors.items() if key.startswith(head)}

    return NetworkState(record["epoch"], part("model"), part("best"), part("optimiser"), record)
