"""What work with a whole network will take: its training, and the scan of all rows by its masks.

The pace of each kind of network is measured once a device (`training.network_pace`) and kept with
the device's other rates. Called by `train_network` and `estimates`.
"""

import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, replace

from influence_core.disk.fingerprint import of_json
from influence_core.errors import ResourceError
from influence_core.store.project import Project
from influence_core.training.networks.registry import Network
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.costs.formulas import Estimate
from influence_core.workflow.costs.network_pace import Pace, pace
from influence_core.workflow.costs.rates import keep_rates, kept_rates
from influence_core.workflow.session import Session
from influence_core.workflow.session_network import network_query

LONG = 10  # seconds; shorter work needs no warning
_BOTH_SIDES = 2  # forward passes that looking at both sides of a row takes, at most
_SCANNED = 64  # rows that are scanned to learn the pace


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


def finetune_text(
    project: Project,
    network: Network,
    rows: Mapping[str, NetworkRows],
    training: NetworkTraining,
    cancel: threading.Event | None = None,
) -> str | None:
    """The sentence before a training; None if it is short, or memory runs out already here.

    Raises:
        CancelledError: `cancel` was set.
    """
    try:
        measured = network_pace(project, network, rows["train"], training, cancel)
    except ResourceError:  # the training itself says so, if it comes to it
        return None
    counts = {split: len(part) for split, part in rows.items()}
    said = training_estimate(measured, counts, training)
    if said.seconds < LONG:
        return None
    early = "" if training.watch == "nothing" else ", or less if it stops early"
    return f"This takes {said.text()}{early}."


def network_pace(
    project: Project,
    network: Network,
    train: NetworkRows,
    training: NetworkTraining,
    cancel: threading.Event | None = None,
) -> Pace:
    """The pace of such a network on these rows, measured at the first call on a device."""
    # Not the seed, but the data: its rows' lengths decide as much as the network.
    settings = replace(network.settings, seed=0).to_dict()
    about = [settings, training.batch, training.precision, project.fingerprint]
    name = f"training {of_json(about)[:16]}"
    known = kept_rates(training.device, name, set(Pace.__dataclass_fields__))
    if known is not None:
        return Pace(**known)
    measured = pace(network.model, train, training, cancel=cancel)
    keep_rates(training.device, name, asdict(measured))
    return measured


def scan_estimate(session: Session, *, stored: bool = False) -> Estimate | None:
    """The turn-over scan of all rows for one item; None if it was not measured and may not be.

    Raises:
        ModelError: the network cannot be built again here.
    """
    name, device = f"scan {session.run.id}", str(session.device)
    known = kept_rates(device, name, {"row", "bytes"})
    if known is None:
        if stored:
            return None
        known = _measured_scan(session)
        keep_rates(device, name, known)
    return Estimate(len(session.evidence) * known["row"], int(known["bytes"]))


def _measured_scan(session: Session) -> dict[str, float]:
    encoder, train = session.network(), session.project.dataset.train
    [content] = train.items([0])
    keys = session.evidence.keys[:_SCANNED]
    query = network_query(encoder, content, session.evidence.labels[:1], keys)
    query.of_keys(keys[:2])
    start = time.perf_counter()
    query.of_keys(keys)
    return {"row": (time.perf_counter() - start) / len(keys), "bytes": float(query.bytes)}
