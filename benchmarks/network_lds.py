"""Do scores read off a whole network predict what retraining it does?

Ground truth: each plan of the frontier (twin units, what both sides share frozen) retrained from
the start of seed 0 on random halves of the fashion sample; per target, the loss of the full
network. Scored, for a network of each seed: the turn-over scan of that network, and the estimators
that work on its features and its flipped side. Seeds 1 and 2 start elsewhere than the truth, as a
user's run would. Called by `network_frontier --lds N`, which keeps the retrainings.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from benchmarks.network_cases import SEEDS, TRAINING, Case, make
from influence_core.errors import ModelError
from influence_core.evaluation.lds import lds, subset_sums
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, Query, Targets
from influence_core.influence.network_scan import NetworkQuery
from influence_core.training.features import Standardised
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.rows import NetworkRows
from influence_core.training.networks.sides import NetworkView, network_sides, network_view
from influence_core.training.networks.types import NetworkData
from influence_core.turnover.calls import take_rows

TARGETS = 30  # misclassified ones, and as many at random


def halves(rows: int, count: int) -> np.ndarray:
    """(rows, count) booleans: random halves, the first ones the same however many are asked for."""
    columns = []
    for number in range(count):
        chosen = np.random.default_rng([7, number]).permutation(rows)[: rows // 2]
        columns.append(np.isin(np.arange(rows), chosen))
    return np.stack(columns, axis=1)


def plan(blocks: int, seed: int = 0) -> Case:
    """The default way to train a network with masks in so many blocks."""
    return Case(blocks, "turnover", "widen", True, seed)


def retrained_losses(blocks: int, half: np.ndarray) -> list[float]:
    """Loss of every test row after training on one half."""
    model, rows = make(plan(blocks))
    positions = np.flatnonzero(half)
    fit_network(model, NetworkData(part_of(rows["train"], positions)), TRAINING)
    found = losses(network_view(model, rows["test"]), rows["test"].labels)
    return [round(float(loss), 4) for loss in found]


def part_of(rows: NetworkRows, positions: np.ndarray) -> NetworkRows:
    """Some rows, with their own keys."""
    return replace(
        rows,
        labels=rows.labels[positions],
        keys=rows.keys[positions],
        inputs=lambda wanted: rows.inputs(positions[list(wanted)].tolist()),
        order=np.arange(len(positions)),
    )


def losses(view: NetworkView, labels: Tensor) -> np.ndarray:
    return -np.log(view.proba[np.arange(len(labels)), labels.numpy()].clip(1e-12))


def score(blocks: int, stored: list[list[float]]) -> dict[str, dict[str, list[float]]]:
    """Mean LDS of every estimator on misclassified and on random targets, a figure a seed."""
    truth = np.array(stored).T  # (test rows, halves)
    out: dict[str, dict[str, list[float]]] = {}
    for seed in SEEDS:
        for name, (wrong, chosen) in _seed_scores(plan(blocks, seed), truth).items():
            found = out.setdefault(name, {"misclassified": [], "random": []})
            found["misclassified"].append(wrong)
            found["random"].append(chosen)
    return out


def _seed_scores(case: Case, truth: np.ndarray) -> dict[str, tuple[float, float]]:
    model, rows = make(case)
    fit_network(model, NetworkData(rows["train"]), replace(TRAINING, seed=case.seed))
    test = network_view(model, rows["test"])
    labels = rows["test"].labels
    wrong = np.flatnonzero(test.proba.argmax(1) != labels.numpy())[:TARGETS]
    targets = np.concatenate([wrong, np.random.default_rng(0).permutation(len(labels))[:TARGETS]])
    weights = torch.from_numpy(halves(len(rows["train"]), truth.shape[1]))
    out = {}
    for name, query in _queries(model, rows, test, targets).items():
        values = lds(subset_sums(query, weights), truth[targets].T)
        out[name] = (
            float(np.nanmean(values[: len(wrong)])),
            float(np.nanmean(values[len(wrong) :])),
        )
    return out


def _queries(
    model: torch.nn.Module, rows: dict[str, NetworkRows], test: NetworkView, targets: np.ndarray
) -> dict[str, Query]:
    train = rows["train"]
    labels = rows["test"].labels[targets]
    inputs = take_rows(rows["test"].inputs(targets.tolist()), slice(None))
    queries: dict[str, Query] = {
        "turn-over scan of the network": NetworkQuery(model, inputs, labels, train.keys)
    }
    view, sides = network_view(model, train), network_sides(model, train)
    features = Standardised.fit(view.features)
    there = Standardised.using(test.features, features.mean, features.scale)
    proba = torch.from_numpy(test.proba[targets])
    asked = Targets(there.rows(torch.from_numpy(targets)), labels, proba)
    evidence = Evidence(features, train.labels, train.keys, torch.from_numpy(sides.flipped))
    for name, entry in ESTIMATORS.items():
        try:
            queries[name] = entry.prepare(evidence).query(asked)
        except ModelError:
            continue  # needs a head
    return queries
