"""Stop and go on: all that the training of a head needs to continue after a whole epoch.

A resumed training ends with the very weights of an unbroken one on the same device, so the order
of the rows and Adam's moments are kept beside the weights. A file of another training or a damaged
one is not read: beginning anew costs time, nothing else. `heads` calls this between two epochs.
"""

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from influence_core.disk.checkpoint import (
    read_file,
    remove_file,
    state_fingerprint,
    write_file,
)
from influence_core.errors import StoreError
from influence_core.training.heads.loop import LoopState, OptimiserState
from influence_core.training.heads.types import EpochStats, HeadTraining, Rows, SoFar
from influence_core.turnover.head import HeadConfig

SECONDS = 5.0  # of training that are worth a file; shorter ones are done again as fast

_GROUPS = ("params", "first", "second", "best")
_SINGLE = ("order", "margins")


def identity(
    rows: Rows, config: HeadConfig, training: HeadTraining, about: Mapping[str, Any]
) -> str:
    """sha256 over what a checkpoint belongs to: keys, labels, weights, settings.

    Args:
        about: what else decides the result, such as fingerprints of the features.
    """
    settings = [asdict(config), asdict(training), dict(about), len(rows.features)]
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for part in (rows.keys, rows.labels, rows.weights):
        if part is not None:
            digest.update(f"{part.dtype} {tuple(part.shape)}".encode())
            digest.update(part.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


class HeadCheckpoint:
    """A file that holds an unfinished training of a head."""

    def __init__(self, path: Path, belongs_to: str) -> None:
        """Nothing is written before `SECONDS` have gone.

        Args:
            path: of the file, existing or not. belongs_to: from `identity`.
        """
        self.path, self.belongs_to = path, belongs_to
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether enough has been done since the last file."""
        return time.monotonic() - self._last >= SECONDS

    def save(self, state: LoopState, so_far: SoFar) -> None:
        """Write atomically; a disk that is full costs the resume, not the training."""
        groups = (state.params, state.optimiser.first, state.optimiser.second, so_far.best)
        tensors = {
            f"{name}.{number}": tensor.cpu().contiguous()
            for name, group in zip(_GROUPS, groups, strict=True)
            for number, tensor in enumerate(group)
        }
        tensors |= {"order": state.order, "margins": state.margins.cpu()}
        record = {
            "identity": self.belongs_to,
            "steps": state.optimiser.steps,
            "passes": state.passes,
            "best_error": so_far.best_error,
            "best_epoch": so_far.best_epoch,
            "history": [asdict(stats) for stats in so_far.history],
            "told": [dict(metrics) for metrics in so_far.told],
        }
        # A flipped bit in a weight would pass for a weight, so the content has a hash of its own.
        record["content"] = state_fingerprint(tensors, record)
        with suppress(StoreError):
            write_file(self.path, tensors, record)
        self._last = time.monotonic()

    def load(self) -> tuple[LoopState, SoFar] | None:
        """What was saved last; None if there is none, it is another training's, or damaged."""
        try:
            tensors, record = read_file(self.path)
            content = record.pop("content", None)
            if record.get("identity") != self.belongs_to:
                return None
            if content != state_fingerprint(tensors, record):
                return None
            return _read(tensors, record)
        except (StoreError, KeyError, ValueError, TypeError):
            return None

    def discard(self) -> None:
        """The training is complete: the next one begins at the start."""
        remove_file(self.path)


def _read(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> tuple[LoopState, SoFar]:
    def group(name: str) -> tuple[Tensor, Tensor, Tensor]:
        return tensors[f"{name}.0"], tensors[f"{name}.1"], tensors[f"{name}.2"]

    params, first, second, best = (group(name) for name in _GROUPS)
    order, margins = (tensors[name] for name in _SINGLE)
    optimiser = OptimiserState(float(record["steps"]), first, second)
    return (
        LoopState(params, optimiser, order, margins, int(record["passes"])),
        SoFar(
            best,
            float(record["best_error"]),
            int(record["best_epoch"]),
            [EpochStats(**stats) for stats in record["history"]],
            [dict(metrics) for metrics in record["told"]],
        ),
    )
