"""Everything that a stored network run holds, from one call.

Train, then read the trained network once over all splits: both sides of the training rows, what
the full network says about every row, the features that estimators work on, and the isolation
audit. `workflow` writes it to disk, the pages read it from there.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn
from influence_core.training.networks.checkpoint import learned_state
from influence_core.training.networks.fit import check_labels, fit_network
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.sides import (
    NetworkSides,
    NetworkView,
    last_layer,
    network_sides,
    network_view,
)
from influence_core.training.networks.types import NetworkData, NetworkFit, NetworkTraining
from influence_core.turnover.audit.audit import Audit, audit
from influence_core.turnover.calls import Inputs, device_of, to_device

AUDIT_ROWS = 8


@dataclass(frozen=True)
class NetworkRun:
    """A trained network as it goes to disk.

    Attributes:
        fit: weights (`fit.state`) and both learning curves (`fit.history`).
        sides: learned and flipped probabilities and self-influence of the training rows.
        views: per split, "train" included, full-network probabilities and features (float16).
        last: weight (C, d) and bias (C,) of the last layer, which reads the features.
        audit: how far the flipped side is out-of-sample.
    """

    fit: NetworkFit
    sides: NetworkSides
    views: Mapping[str, NetworkView]
    last: tuple[Tensor, Tensor]
    audit: Audit


def run_network(
    model: nn.Module,
    rows: Mapping[str, NetworkRows],
    training: NetworkTraining | None = None,
    *,
    checkpoint: Path | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> NetworkRun:
    """Train a network with turn-over layers and read off what later pages need.

    Args:
        model: trained in place (see `fit_network`).
        rows: by split; "train" is trained on, "valid" may be watched, "test" chooses nothing.
        training, checkpoint, progress, cancel: as for `fit_network`.

    Raises:
        DataError: there is no "train". Everything that `fit_network` raises.
    """
    if "train" not in rows:
        raise DataError(f"There is no split 'train' to learn from; there are {list(rows)}.")
    data = NetworkData(rows["train"], rows.get("valid"), rows.get("test"))
    fit = fit_network(
        model, data, training, checkpoint=checkpoint, progress=progress, cancel=cancel
    )
    return read_network(model, rows, fit, progress=progress, cancel=cancel)


def read_network(
    model: nn.Module,
    rows: Mapping[str, NetworkRows],
    fit: NetworkFit | None = None,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> NetworkRun:
    """Read off a network that is trained already, by whatever loop.

    Args:
        model: in any mode; it is not changed.
        rows: as for `run_network`.
        fit: of the training, if it was ours; otherwise the weights are taken as they are.

    Raises:
        DataError: there is no "train", or rows of it without a label. ModelError: the model has no
            turn-over layers, or does not end in a Linear layer.
    """
    if "train" not in rows:
        raise DataError(f"There is no split 'train' to read; there are {list(rows)}.")
    check_labels(rows["train"])
    last = last_layer(model, first_inputs(model, rows["train"]))
    sides = network_sides(model, rows["train"], progress=progress, cancel=cancel)
    views = {}
    for done, (name, split) in enumerate(rows.items(), start=1):
        views[name] = network_view(model, split, cancel=cancel)
        if progress:
            progress(Progress("read", done, len(rows), message=name))
    fit = fit or NetworkFit(learned_state(model), 0, ())
    return NetworkRun(fit, sides, views, last, audit_rows(model, rows["train"]))


def audit_rows(model: nn.Module, rows: NetworkRows) -> Audit:
    """The isolation audit on the first few training rows."""
    labels, keys = rows.labels[:AUDIT_ROWS], rows.keys[:AUDIT_ROWS]
    inputs = first_inputs(model, rows)
    return audit(model, (inputs, labels.to(device_of(model))), keys=keys)


def first_inputs(model: nn.Module, rows: NetworkRows) -> Inputs:
    """The inputs of the first few rows, on the model's device."""
    positions = list(range(min(AUDIT_ROWS, len(rows))))
    return to_device(rows.inputs(positions), device_of(model))
