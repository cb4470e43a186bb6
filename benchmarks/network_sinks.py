"""A shared part that always runs, plus masked sinks: is it cheaper in accuracy, and what leaks?

Example-tied dropout (Maini et al. 2023, arXiv 2307.09542) and MemSinks (Ghosal et al. 2025,
arXiv 2507.09937) let most units run for every row, and give each row a few units of its own that
its memory should gather in. Here in the fashion sample's VGG, at the places where `inject` masks,
with everything training, in two ways: *sinks added* beside all pretrained units, silent at first
and half of them a row's own; and *half the units shared*, the other half twins as `inject` widens.

What is shared is not isolated. How much that matters is measured by rows that can only be known by
heart, those whose label was planted wrong: p(planted label) on the flipped side, beside a plain
network that learned the row, and one that never saw it. Decided before anything was run: the idea
is adopted only if it beats the default plan's accuracy beyond the spread of three seeds, at a
flipped side that knows no more of these rows and finds them as well. Called by `network_frontier`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from benchmarks.network_cases import PLACES, ROOT, SEEDS, TRAINING, Case, make
from benchmarks.network_lds import part_of
from influence_core.store.project import Project
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.registry import NetworkSettings, build_network
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.run import audit_rows
from influence_core.training.networks.sides import network_sides, network_view
from influence_core.training.networks.types import NetworkData
from influence_core.turnover.inject.plan import Site, make_plan
from influence_core.turnover.inject.twins import set_weight, weight_of
from influence_core.turnover.layer import TurnoverDropout, turnover_layers

ADDED, HALF, MASKED, PLAIN = "sinks added", "half the units shared", "masks alone", "no masks"


class Sinks(TurnoverDropout):
    """A turn-over layer behind units that run for every row: only those after `shared` are masked.

    `off` drops the masked ones, as MemSinks predicts.
    """

    def __init__(self, shared: int, sinks: int, seed: int, layer: int) -> None:
        super().__init__(sinks, seed=seed, layer=layer, twin=True)
        self.shared, self.off = shared, False

    def _masked(self, x: Tensor) -> Tensor:
        dim = self.unit_dim(x)
        always, own = x.split([self.shared, x.shape[dim] - self.shared], dim)
        own = super()._masked(own * 0 if self.off else own)
        return torch.cat([always.expand(len(own), *always.shape[1:]), own], dim)


@dataclass(frozen=True)
class SinkCase:
    """One training: how units are shared, in how many last blocks, from which seed."""

    kind: str
    blocks: int
    seed: int

    @property
    def name(self) -> str:
        """Under which its result is kept."""
        return f"{self.kind}/{self.blocks}/{self.seed}"


def sink_cases() -> Iterator[SinkCase]:
    """What is compared, what matters most first: a short run is a useful one."""
    first, second = ((ADDED, 3), (MASKED, 1)), ((HALF, 3), (ADDED, 1), (HALF, 1), (MASKED, 3))
    for plans in (first, ((PLAIN, 0),), second):
        for seed in SEEDS:
            for kind, blocks in plans:
                yield SinkCase(kind, blocks, seed)


def measure_sinks(case: SinkCase) -> dict[str, Any]:
    """Train one case, and read both of its sides."""
    return _plain(case) if case.kind == PLAIN else _masked(case)


def _masked(case: SinkCase) -> dict[str, Any]:
    if case.kind == MASKED:
        model, rows = make(Case(case.blocks, "turnover", "widen", True, case.seed))
    else:
        model, rows = with_sinks(case)
    fit = fit_network(model, NetworkData(rows["train"]), replace(TRAINING, seed=case.seed))
    labels, planted = rows["train"].labels.numpy(), planted_rows()
    sides, place = network_sides(model, rows["train"]), np.arange(len(labels))
    flipped, learned = sides.flipped[place, labels], sides.learned[place, labels]
    out = {
        "accuracy": accuracy(model, rows),
        "isolated": audit_rows(model, rows["train"]).isolated,
        "ap_flipped": float(average_precision_score(planted, 1 - flipped)),
        "ap_self": float(average_precision_score(planted, sides.self_influence)),
        "known_learned": float(learned[planted].mean()),
        "known_flipped": float(flipped[planted].mean()),
        "learned_loss": fit.history[-1].learned_loss,
        "flipped_loss": fit.history[-1].flipped_loss,
    }
    layers = [m for m in turnover_layers(model).values() if isinstance(m, Sinks)]
    for layer in layers:
        layer.off = True
    return out | ({"accuracy_off": accuracy(model, rows)} if layers else {})


def _plain(case: SinkCase) -> dict[str, Any]:
    """No masks, everything trains; half of the planted rows are left out: it never saw them."""
    model, rows = make(Case(0, "none", "off", False, case.seed))
    planted = np.flatnonzero(planted_rows())
    out = np.random.default_rng(case.seed).permutation(planted)[: len(planted) // 2]
    kept = np.setdiff1d(np.arange(len(rows["train"])), out)
    fit_network(model, NetworkData(part_of(rows["train"], kept)), replace(TRAINING, seed=case.seed))
    found = network_view(model, rows["train"]).proba
    own = found[np.arange(len(found)), rows["train"].labels.numpy()]
    return {
        "accuracy": accuracy(model, rows),
        "known_learned": float(own[np.setdiff1d(planted, out)].mean()),
        "known_flipped": float(own[out].mean()),
    }


def accuracy(model: nn.Module, rows: dict[str, NetworkRows]) -> float:
    """Of the full network, in per cent, on test and valid together."""
    hits = [
        network_view(model, rows[name]).proba.argmax(1) == rows[name].labels.numpy()
        for name in ("test", "valid")
    ]
    return 100 * float(np.concatenate(hits).mean())


def planted_rows() -> np.ndarray:
    """(N,) which training rows carry a planted label."""
    return np.asarray(Project.open(ROOT).dataset.train.extra("planted")).astype(bool)


def with_sinks(case: SinkCase) -> tuple[nn.Module, dict[str, NetworkRows]]:
    """The sample's VGG, with shared units and sinks in the last blocks and the classifier."""
    settings = NetworkSettings("vgg:trunk.safetensors", 10, 0, seed=case.seed, twins="off")
    network = build_network(settings, root=ROOT)
    for name in list(turnover_layers(network.model)):
        put(network.model, name, nn.Identity())
    plan = make_plan(network.model, case.blocks)
    for number, site in enumerate(plan.sites):
        layer = Sinks(*share(network.model, site, case.kind), case.seed, number)
        old = network.model.get_submodule(site.at)
        put(network.model, site.at, layer if site.replaces else nn.Sequential(old, layer))
    network.model.requires_grad_(True)
    splits = Project.open(ROOT).dataset.splits
    return network.model, {name: network.rows(split) for name, split in splits.items()}


def put(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


@torch.no_grad()
def share(model: nn.Module, site: Site, kind: str) -> tuple[int, int]:
    """Make a site's units shared ones and sinks; returns how many of each.

    The network computes what it did, in full and on each side of every row: sinks that are added
    are read with weight zero at first, twins of the other half with half the weight each.
    """
    units, half = site.units, site.units // 2
    order = torch.arange(units)
    if kind == ADDED:  # all units, then copies of the first half, as twins
        shared, copies, scale = units, order[:half], 0.0
    else:
        shared, copies, scale = half, order[half:], 0.5
    chosen = torch.cat([order[:shared], copies, copies])
    producer = model.get_submodule(site.producer)
    set_weight(producer, weight_of(producer)[chosen])
    bias: Any = producer.bias
    producer.bias = nn.Parameter(bias[chosen])
    for name in site.consumers:
        consumer = model.get_submodule(name)
        weight = weight_of(consumer)
        # (out, units, positions): a Linear after a flattened map reads several entries a unit.
        grouped = weight.reshape(len(weight), units, -1)[:, chosen]
        grouped[:, shared:] *= scale
        inputs = weight.shape[1] // units * len(chosen)
        set_weight(consumer, grouped.reshape(len(weight), inputs, *weight.shape[2:]))
    return shared, 2 * len(copies)


def sink_lines(stored: dict[str, dict[str, Any]]) -> list[str]:
    """The table, one line a plan."""
    order = (PLAIN, MASKED, ADDED, HALF)
    names = sorted(
        {name.rpartition("/")[0] for name in stored},
        key=lambda name: (order.index(name.partition("/")[0]), name),
    )
    out = []
    for name in names:
        kind, _, blocks = name.partition("/")
        found = [value for key, value in stored.items() if key.rpartition("/")[0] == name]
        where = "–" if kind == PLAIN else PLACES[int(blocks)]
        cells = [_mean(found, "accuracy", 1), _mean(found, "accuracy_off", 1)]
        cells.append(_mean([{"x": 100 * v["isolated"]} for v in found if "isolated" in v], "x", 1))
        cells += [_mean(found, key, 3) for key in ("ap_flipped", "ap_self")]
        cells += [_mean(found, key, 2) for key in ("known_learned", "known_flipped")]
        out.append(f"| {kind} | {where} | {len(found)} | {' | '.join(cells)} |")
    return out


def _mean(found: list[dict[str, Any]], key: str, digits: int) -> str:
    values = [value[key] for value in found if key in value]
    if not values:
        return "–"
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
