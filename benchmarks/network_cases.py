"""The trainings of `network_frontier` and `network_lds`: the fashion sample's VGG, many ways."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score
from torch import nn

from influence_core.store.project import Project
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.registry import NetworkSettings, build_network
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.run import audit_rows
from influence_core.training.networks.sides import network_sides, network_view
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.layer import turnover_layers

HERE = Path(__file__).parent
ROOT = HERE.parent / "sample_data" / "fashion"
SEEDS = (0, 1, 2)
PLACES = {0: "classifier only", 1: "last block too", 3: "every block"}
TRAINING = NetworkTraining(epochs=6, watch="nothing", probe_rows=500, device="cpu")


@dataclass(frozen=True)
class Case:
    """One training: where the masks are, of which kind, how it starts, and what is frozen."""

    blocks: int
    kind: str  # turnover, dropout, none
    twins: str
    freeze: bool
    seed: int

    @property
    def name(self) -> str:
        """Under which its result is kept."""
        return "/".join(str(value) for value in asdict(self).values())

    @property
    def plan(self) -> tuple[object, ...]:
        """What cases that are compared with each other share."""
        return (self.freeze, self.kind == "none", self.twins, self.blocks)


def cases() -> list[Case]:
    out = []
    for seed in SEEDS:
        for freeze in (True, False):
            for blocks in PLACES:
                for twins in ("off", "widen"):
                    for kind in ("turnover", "dropout"):
                        out.append(Case(blocks, kind, twins, freeze, seed))
            out.append(Case(0, "none", "off", freeze, seed))
    # The default plan with all its seeds first: a short run is a useful one.
    return sorted(
        out,
        key=lambda c: (
            not c.freeze,
            c.twins == "off" and c.kind != "none",
            c.blocks != 1,
            c.blocks,
            c.kind,
        ),
    )


def make(case: Case) -> tuple[nn.Module, dict[str, NetworkRows]]:
    settings = NetworkSettings(
        "vgg:trunk.safetensors", 10, case.blocks, seed=case.seed, twins=case.twins
    )
    network = build_network(settings, root=ROOT)
    if not case.freeze:
        network.model.requires_grad_(True)
    if case.kind != "turnover":
        for name, layer in turnover_layers(network.model).items():
            rate = 1 - layer.p if case.kind == "dropout" else 0.0
            plain = nn.Dropout2d(rate) if name.startswith("features") else nn.Dropout(rate)
            parent, _, child = name.rpartition(".")
            setattr(network.model.get_submodule(parent), child, plain)
    splits = Project.open(ROOT).dataset.splits
    return network.model, {name: network.rows(split) for name, split in splits.items()}


def measure(case: Case) -> dict[str, Any]:
    """Train one case; accuracy on test and valid together (valid chooses nothing here)."""
    model, rows = make(case)
    fit = fit_network(model, NetworkData(rows["train"]), replace(TRAINING, seed=case.seed))
    hits = np.concatenate(
        [
            network_view(model, rows[name]).proba.argmax(1) == rows[name].labels.numpy()
            for name in ("test", "valid")
        ]
    )
    out: dict[str, Any] = {"accuracy": 100 * float(hits.mean())}
    if case.kind != "turnover":
        return out
    sides = network_sides(model, rows["train"])
    labels = rows["train"].labels.numpy()
    planted = np.asarray(Project.open(ROOT).dataset.train.extra("planted")).astype(bool)
    own = sides.flipped[np.arange(len(labels)), labels]
    last = fit.history[-1]
    found = audit_rows(model, rows["train"])
    return out | {
        "isolated": found.isolated,
        "spill": found.spill,
        "headline": found.headline,
        "ap_flipped": float(average_precision_score(planted, 1 - own)),
        "ap_self": float(average_precision_score(planted, sides.self_influence)),
        "learned_loss": last.learned_loss,
        "flipped_loss": last.flipped_loss,
    }
