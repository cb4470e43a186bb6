"""Say before long work what it will cost: "about 40 s and 1.2 GB on this device".

The device's rates are measured once and kept in the home of projects (`device.json`); delete the
file to measure again. Called by the verbs and by pages before training, scans and judging.
"""

import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from influence_core.errors import StoreError
from influence_core.influence.estimate import (
    FREE_EPOCHS,
    Estimate,
    Rates,
    judging,
    measure,
    scanning,
    training,
)
from influence_core.models.device import pick_device
from influence_core.store.atomic import write_bytes
from influence_core.store.names import projects_home
from influence_core.store.project import Project
from influence_core.training.presets import preset
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.session import Session
from influence_core.workflow.train import TrainOptions

FILE = "device.json"
LONG_ROWS = 20_000  # fewer rows train in seconds, and measuring would take as long


def rates(device: str = "auto") -> Rates:
    """The rates of this device, measured at the first call and then read from the file."""
    where = pick_device(device)
    path = projects_home() / FILE
    # The same home may be used from two machines, or with another number of threads.
    name = f"{platform.node()} {where} {torch.get_num_threads()}"
    known = _read(path)
    if name not in known:
        known[name] = asdict(measure(where))
        write_bytes(path, json.dumps(known, indent=1).encode())
    return Rates(**known[name])


def _read(path: Path) -> dict[str, dict[str, Any]]:
    """What was measured before; a damaged file is measured anew."""
    try:
        known: dict[str, dict[str, Any]] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror}).") from error
    except ValueError:
        return {}
    fields = set(Rates.__dataclass_fields__)
    return {name: entry for name, entry in known.items() if set(entry) == fields}


def training_text(project: Project, options: TrainOptions) -> str | None:
    """What training will take, for people; None if it is short anyway."""
    if len(project.dataset.train) < LONG_ROWS:
        return None
    estimate = training_estimate(project, options)
    return estimate_text(estimate, assumed_epochs=options.epochs is None)


def training_estimate(project: Project, options: TrainOptions) -> Estimate:
    """Of `turnover train`, without encoding; features must be there or the trunk be known.

    Without a number of epochs a usual one is assumed (`estimate_text` says so).
    """
    data = project.dataset
    config = HeadConfig(_dim(project), len(data.classes), options.members, options.width, options.p)
    how = preset(options.size).training(len(data.train), options.epochs)
    return training(rates(options.device), len(data.train), config, how)


def scan_estimate(session: Session, estimator: str, targets: int = 1) -> Estimate:
    """Of one explanation, or of the judge's scan when there are several targets."""
    measured = rates(str(session.device))
    evidence, classes = session.evidence, len(session.classes)
    rows, width = len(evidence), len(session.features.mean)
    config = HeadConfig(width, classes) if evidence.head is None else evidence.head.config
    if targets == 1:
        return scanning(measured, estimator, rows, config)
    return judging(measured, estimator, rows, targets, config)


def estimate_text(estimate: Estimate, *, assumed_epochs: bool = False) -> str:
    """One sentence for people."""
    epochs = f", if it takes {FREE_EPOCHS} epochs" if assumed_epochs else ""
    return f"This takes {estimate.text()}{epochs}."


_USUAL_DIM = 384  # before anything is encoded; that of the text trunk


def _dim(project: Project) -> int:
    """Features of a row: as stored, else a usual number."""
    path = project.features_path("train")
    card = path.with_suffix(".json")
    if card.is_file():
        return int(json.loads(card.read_text())["dim"])
    return _USUAL_DIM
