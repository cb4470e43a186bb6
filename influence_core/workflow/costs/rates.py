"""How fast this device is: measured once, and kept in the home of projects (`device.json`).

Delete the file to measure again. Called by `workflow.estimates`.
"""

import math
import platform
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import torch

from influence_core.disk.atomic import read_json
from influence_core.disk.locks import update_json
from influence_core.disk.names import projects_home
from influence_core.errors import StoreError, TurnoverError
from influence_core.models.device import pick_device
from influence_core.models.encoders import load_encoder
from influence_core.store.project import Project
from influence_core.workflow.costs.encoding import seconds_per_unit
from influence_core.workflow.costs.formulas import Rates, measure

FILE = "device.json"


def stored_rates(device: str = "auto") -> Rates | None:
    """The rates of this device if they have been measured."""
    entry = _known().get(_name(device), {})
    numbers = {name: value for name, value in entry.items() if name != "device"}
    if set(entry) != set(Rates.__dataclass_fields__) or not all(map(_is_rate, numbers.values())):
        return None
    return Rates(**entry)


def rates(device: str = "auto") -> Rates:
    """The rates of this device, measured at the first call and then read from the file."""
    found = stored_rates(device)
    if found is None:
        found = measure(pick_device(device))
        _keep(_name(device), asdict(found))
    return found


def stored_encode_rate(project: Project, device: str = "auto") -> float | None:
    """Seconds that the project's encoder needs per unit of `models.encode_speed`, if measured."""
    value = _known().get(_name(device, project.settings.encoder), {}).get("encode")
    return value if _is_rate(value) else None


def encode_rate(project: Project, device: str = "auto") -> float:
    """The same, measured at the first call."""
    found = stored_encode_rate(project, device)
    if found is None:
        spec = project.settings.encoder
        encoder = load_encoder(spec, root=project.root, device=pick_device(device))
        found = seconds_per_unit(encoder, project.dataset.train)
        _keep(_name(device, spec), {"encode": found})
    return found


def kept_rates(device: str, about: str, fields: set[str]) -> dict[str, float] | None:
    """Other numbers that were measured on this device, if all of these fields are there."""
    entry = _known().get(_name(device, about), {})
    if set(entry) != fields or not all(map(_is_rate, entry.values())):
        return None
    return {name: float(value) for name, value in entry.items()}


def keep_rates(device: str, about: str, entry: dict[str, float]) -> None:
    """Keep them for the next time."""
    _keep(_name(device, about), entry)


def _name(device: str, encoder: str = "") -> str:
    # The same home may be used from two machines, or with another number of threads.
    where = f"{platform.node()} {pick_device(device)} {torch.get_num_threads()}"
    return f"{where} {encoder}" if encoder else where


def _is_rate(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < math.inf


def _known() -> dict[str, dict[str, Any]]:
    """What was measured before; a file that is damaged or closed to us is measured anew."""
    try:
        known = read_json(projects_home() / FILE)
    except StoreError:
        return {}
    return {name: entry for name, entry in known.items() if isinstance(entry, dict)}


def _keep(name: str, entry: dict[str, Any]) -> None:
    # A home that cannot be written is no reason to refuse the work: the next one measures again.
    with suppress(TurnoverError):
        update_json(projects_home() / FILE, lambda known: known | {name: entry})
