"""Do scores read off a whole network foretell what retraining it does?

Ground truth: the default plan (last block and classifier, twin units) retrained from the same start
on random halves of the fashion sample; per target, the loss of the full network. Scored: the
turn-over scan of one trained network, and the estimators that work on its features and its flipped
side. Called by `network_frontier --lds N`, which keeps the retrainings.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.network_cases import TRAINING, Case, make
from influence_core.errors import ModelError
from influence_core.evaluation.lds import Interval, lds, subset_sums
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, Query, Targets
from influence_core.influence.network_scan import NetworkQuery
from influence_core.training.features import Standardised
from influence_core.training.network import fit_network
from influence_core.training.network_rows import NetworkRows
from influence_core.training.network_sides import NetworkView, network_sides, network_view
from influence_core.training.network_types import NetworkData
from influence_core.turnover.calls import take_rows

CASE = Case(1, "turnover", "widen", True, 0)
TARGETS = 30  # misclassified ones, and as many at random


def halves(rows: int, count: int) -> np.ndarray:
    """(rows, count) booleans: random halves, the first ones the same however many are asked for."""
    columns = []
    for number in range(count):
        chosen = np.random.default_rng([7, number]).permutation(rows)[: rows // 2]
        columns.append(np.isin(np.arange(rows), chosen))
    return np.stack(columns, axis=1)


def retrained_losses(half: np.ndarray) -> list[float]:
    """Loss of every test row after training on one half."""
    model, rows = make(CASE)
    positions = np.flatnonzero(half)
    fit_network(model, NetworkData(part_of(rows["train"], positions)), TRAINING)
    return list(map(float, losses(network_view(model, rows["test"]), rows["test"].labels)))


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


def score(stored: list[list[float]]) -> dict[str, dict[str, Any]]:
    """LDS of every estimator on misclassified and on random targets."""
    model, rows = make(CASE)
    fit_network(model, NetworkData(rows["train"]), TRAINING)
    test = network_view(model, rows["test"])
    labels = rows["test"].labels
    wrong = np.flatnonzero(test.proba.argmax(1) != labels.numpy())[:TARGETS]
    chosen = np.random.default_rng(0).permutation(len(labels))[:TARGETS]
    truth = np.array(stored).T  # (test rows, halves)
    weights = torch.from_numpy(halves(len(rows["train"]), truth.shape[1]))
    out: dict[str, dict[str, Any]] = {}
    for name, query in _queries(model, rows, test, np.concatenate([wrong, chosen])).items():
        sums = subset_sums(query, weights)
        values = lds(sums, truth[np.concatenate([wrong, chosen])].T)
        split = {"misclassified": values[: len(wrong)], "random": values[len(wrong) :]}
        out[name] = {kind: str(Interval.of(found)) for kind, found in split.items()}
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
