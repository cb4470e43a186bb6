"""Stop and go on: all that the training of a head needs to continue after a whole epoch.

A resumed training ends with the very weights of an unbroken one on the same device, so the order
of the rows and Adam's moments are kept beside the weights. `fit_heads` calls this between epochs.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor

from influence_core.disk.checkpoint import Checkpoint
from influence_core.disk.fingerprint import of_parts, raw
from influence_core.training.heads.adam import OptimiserState
from influence_core.training.heads.loop import LoopState
from influence_core.training.heads.types import EpochStats, HeadTraining, Rows, SoFar
from influence_core.turnover.head import HeadConfig

SECONDS = 5.0  # of training that are worth a file; shorter ones are done again as fast

_GROUPS = ("params", "first", "second")
_SINGLE = ("order", "margins")


def identity(
    rows: Rows, config: HeadConfig, training: HeadTraining, about: Mapping[str, Any]
) -> str:
    """sha256 over what a checkpoint belongs to: keys, labels, weights, settings.

    Args:
        about: what else decides the result, such as fingerprints of the features.
    """

    def parts() -> Iterator[str | bytes]:
        settings = [asdict(config), asdict(training), dict(about), len(rows.features)]
        yield json.dumps(settings, sort_keys=True)
        for part in (rows.keys, rows.labels, rows.weights):
            if part is not None:
                yield f"{part.dtype} {tuple(part.shape)}"
                yield raw(part)

    return of_parts(parts())


class HeadCheckpoint:
    """An unfinished training of a head in a file."""

    def __init__(self, file: Checkpoint) -> None:
        """Nothing is written before `SECONDS` have gone."""
        self.file = file
        self._last = time.monotonic()

    def due(self) -> bool:
        """Whether enough has been done since the last file."""
        return time.monotonic() - self._last >= SECONDS

    def save(self, state: LoopState, so_far: SoFar) -> None:
        """Keep the state after a whole epoch."""
        groups = (state.params, state.optimiser.first, state.optimiser.second)
        tensors = {
            f"{name}.{number}": tensor
            for name, group in zip(_GROUPS, groups, strict=True)
            for number, tensor in enumerate(group)
        }
        tensors |= {"order": state.order, "margins": state.margins}
        record = {
            "steps": state.optimiser.steps,
            "passes": state.passes,
            "history": [asdict(stats) for stats in so_far.history],
            "shown": [dict(metrics) for metrics in so_far.shown],
        }
        self.file.save(tensors, record)
        self._last = time.monotonic()

    def load(self) -> tuple[LoopState, SoFar] | None:
        """What was saved last; None if there is nothing to go on from."""
        found = self.file.load()
        return None if found is None else _read(*found)


def _read(tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> tuple[LoopState, SoFar]:
    def group(name: str) -> tuple[Tensor, Tensor, Tensor]:
        return tensors[f"{name}.0"], tensors[f"{name}.1"], tensors[f"{name}.2"]

    params, first, second = (group(name) for name in _GROUPS)
    order, margins = (tensors[name] for name in _SINGLE)
    optimiser = OptimiserState(float(record["steps"]), first, second)
    return (
        LoopState(params, optimiser, order, margins, int(record["passes"])),
        SoFar(
            [EpochStats(**stats) for stats in record["history"]],
            [dict(metrics) for metrics in record["shown"]],
        ),
    )
