"""How fast this device is: the real loops on made-up rows, timed once and kept.

The table lies in the home of projects (`device.json`); delete it to measure again. A damaged entry,
or one of another version, is measured again as well. Called by `workflow.expected`.
"""

import math
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from influence_core.disk.atomic import read_json
from influence_core.disk.locks import update_json
from influence_core.disk.names import projects_home
from influence_core.errors import StoreError, TurnoverError
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import mean_influence
from influence_core.models.device import pick_device, seconds_of
from influence_core.models.encoders import for_texts, load_encoder
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, initial_weights
from influence_core.workflow.costs.estimate import Rates
from influence_core.workflow.costs.work import spread, units

FILE = "device.json"
_ROWS, _TARGETS, _COARSE, _FINE = 4_096, 32, 512, 32  # rows, targets, and two sizes of a batch
_SHAPE = HeadConfig(features=256, classes=10, members=8, width=256)
_SAMPLE = 128  # texts or pictures that are encoded to learn the speed
_HEAD_RATES = ("product", "step", "turnover", "ridge")
_Entry = dict[str, float]


def head_rates(device: str = "auto", *, stored: bool = False) -> Rates | None:
    """The rates of this device, measured at the first call; None if `stored` and not measured."""
    where = pick_device(device)
    found = _kept(_name(device), _HEAD_RATES, None if stored else lambda: measure(where))
    return None if found is None else Rates(**found)


def encode_rate(project: Project, device: str = "auto", *, stored: bool = False) -> float | None:
    """Seconds that the project's encoder needs per unit of `encode_work`, kept likewise."""
    work = None if stored else lambda: measure_encoder(project, device)
    return _encode_rate(project.settings.encoder, device, work)


def known_encode_rate(encoder: str, device: str = "auto") -> float | None:
    """The same of an encoder by its spec, where it was measured before."""
    return _encode_rate(encoder, device, None)


def _encode_rate(encoder: str, device: str, work: Callable[[], _Entry] | None) -> float | None:
    found = _kept(f"{_name(device)} {encoder}", ("encode",), work)
    return None if found is None else found["encode"]


def measure(device: torch.device, clock: Callable[[], float] = time.perf_counter) -> _Entry:
    """Run the real loops on made-up rows; a few seconds. `clock` tells seconds."""
    rows, evidence = _made_up(device)
    size = _SHAPE.members * _SHAPE.width * (_SHAPE.features + _SHAPE.classes)
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(_TARGETS, _SHAPE.features, generator=draw).to(device)
    labels = torch.zeros(_TARGETS, dtype=torch.long, device=device)
    targets = Targets(x, labels, evidence.flipped[:_TARGETS])
    by_turnover = TURNOVER.prepare(evidence).query(targets)
    by_ridge = FLIPPED_RIDGE.prepare(evidence).query(targets)

    def took(work: Callable[[], object]) -> float:
        return min(seconds_of(work, device, clock) for _ in range(3))  # the first one compiles

    def epoch(batch: int) -> float:
        how = HeadTraining(epochs=1, batch=batch)
        return took(lambda: fit_heads(rows, _SHAPE, how))

    coarse, fine = epoch(_COARSE), epoch(_FINE)
    # Both see all rows; the smaller batch makes more steps of the optimiser.
    few, many = _ROWS // _COARSE, _ROWS // _FINE
    step = max(fine - coarse, 0.0) / (many - few)
    cells = _TARGETS * _ROWS * _SHAPE.classes
    return {
        "product": max(coarse - few * step, 0.2 * coarse) / (_ROWS * size),
        "step": step / size,
        "turnover": took(lambda: mean_influence(by_turnover, _ROWS))
        / (cells * _SHAPE.members * _SHAPE.width),
        "ridge": took(lambda: mean_influence(by_ridge, _ROWS)) / (cells * _SHAPE.features),
    }


def measure_encoder(project: Project, device: str = "auto") -> _Entry:
    """Encode a few of the training rows, of similar length together as encoding does."""
    split = project.dataset.train
    encoder = load_encoder(project.settings.encoder, root=project.root, device=pick_device(device))
    if split.content_column == "text":
        encoder = for_texts(encoder, [split.texts()])
    some = spread(split, _SAMPLE)
    if split.content_column == "text":
        some.sort(key=len)
    encoder.encode(some[:2])
    start = time.perf_counter()
    encoder.encode(some)
    return {"encode": (time.perf_counter() - start) / max(units(some), 1)}


def _made_up(device: torch.device) -> tuple[Rows, Evidence]:
    draw = torch.Generator().manual_seed(0)
    d, classes = _SHAPE.features, _SHAPE.classes
    values = torch.randn(_ROWS, d, generator=draw)  # (N, d)
    # float16, as a project's file has them: some scans read the rows so.
    features = Standardised.using(values.half().numpy(), torch.zeros(d), torch.ones(d), device)
    labels = torch.randint(0, classes, (_ROWS,), generator=draw).to(device)
    keys = torch.randint(0, 2**62, (_ROWS,), generator=draw).to(device)
    W1, b1, W2 = (part.to(device) for part in initial_weights(_SHAPE))
    flipped = torch.full((_ROWS, classes), 1 / classes, device=device)
    return Rows(features, labels, keys), Evidence(
        features, labels, keys, flipped, HeadWeights(W1, b1, W2, _SHAPE)
    )


def _name(device: str) -> str:
    # The same home may be used from two machines, or with another number of threads.
    return f"{platform.node()} {pick_device(device)} {torch.get_num_threads()}"


def _kept(name: str, fields: tuple[str, ...], work: Callable[[], _Entry] | None) -> _Entry | None:
    """An entry of the table if it is whole, else what `work` measures, else None."""
    entry = _table().get(name)
    if isinstance(entry, dict) and set(entry) == set(fields) and all(map(_is_rate, entry.values())):
        return entry
    if work is None:
        return None
    measured = work()
    # A home that cannot be written is no reason to refuse the work: the next one measures again.
    with suppress(TurnoverError):
        update_json(projects_home() / FILE, lambda known: known | {name: measured})
    return measured


def _is_rate(value: Any) -> bool:
    return isinstance(value, float) and 0 <= value < math.inf


def _table() -> dict[str, Any]:
    try:
        return read_json(projects_home() / FILE)
    except StoreError:
        return {}
