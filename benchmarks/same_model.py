"""`python -m benchmarks.same_model`: do scores predict what *this* model does without some rows?

    python -m benchmarks.same_model                       # all sets, lean and standard runs
    python -m benchmarks.same_model --sets digits --subsets 24 --targets 6

The run is trained again from the same start, with the same masks and batch order, without a random
1 % or 10 % of its rows; the rank correlation between the summed scores of the kept rows and minus
the loss is the same-model LDS. Nothing random is left, so there is no ceiling below 1.0. Beside it:
the predicted against the actual change of an item's probability without its 20 most harmful rows,
as the Errors page tells it before an evaluation (slope 1). Writes benchmarks/same_model.md.
"""

import argparse
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.run import SAMPLES
from benchmarks.task import digits, from_project, raw
from influence_core.evaluation.change import predicted_change
from influence_core.evaluation.lds import lds, subset_sums
from influence_core.evaluation.retrain import label_losses, retrain, without
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import NO_SETTINGS, Evidence, HeadWeights, Targets
from influence_core.influence.estimators.replay import SLOPE
from influence_core.influence.sides import both_sides
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.presets import preset
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

OUT = Path(__file__).with_suffix(".md")
EPOCHS = {"digits": 20, "fashion": 8, "reviews": 5}  # where accuracy ceases to rise
DROPPED = (0.01, 0.1)
METHODS = {  # estimator and its settings
    "replay": ("replay", NO_SETTINGS),
    "its derivative": ("replay", {SLOPE: True}),
    "flipped-ridge": ("flipped-ridge", NO_SETTINGS),
}
HARMFUL = 20


def change(
    evidence: Evidence, training: HeadTraining, targets: Targets
) -> tuple[tuple[float, float], float]:
    """Slopes of actual on predicted change of probability and of loss; correlation of the first."""
    head = evidence.head
    query = ESTIMATORS["replay"].prepare(evidence).query(targets)
    top = query.scores(slice(0, len(evidence))).scores.topk(HARMFUL, largest=False).indices
    rows = Rows(evidence.features, evidence.labels, evidence.keys)
    removed = [np.array([], dtype=np.int64), *top.numpy()]
    grouped = replace(rows, weights=without(len(evidence), removed))
    seen = retrain(grouped, head.config, training, targets.features)  # (1 + T, E, T, C)
    told, was = [], []
    for t, label in enumerate(targets.labels):
        effects = query.by_member(top[t])[t].sum(1).numpy()
        before, after = seen[0, :, t, label], seen[1 + t, :, t, label]
        found = predicted_change(before, effects)
        told.append((found.after - found.before, found.rise))
        was.append((np.exp(after).mean() - np.exp(before).mean(), (before - after).mean()))
    a, b = np.array(told), np.array(was)
    slopes = (a * b).sum(0) / (a * a).sum(0)
    return (slopes[0], slopes[1]), float(np.corrcoef(a[:, 0], b[:, 0])[0, 1])


@dataclass(frozen=True)
class Ran:
    """A run of a preset on a set, with its targets' split: x (T, d) and labels (T,)."""

    evidence: Evidence
    x: torch.Tensor
    y: np.ndarray
    seconds: float  # of the training
    wrong: np.ndarray  # positions of misclassified items


def ran(name: str, size: str) -> Ran:
    """Train a preset on one of the sets, for as long as its accuracy rises."""
    found = digits(0) if name == "digits" else from_project(SAMPLES / name)
    X, y, _, Xt, yt = found
    fitted = Standardised.fit(X)
    here = fitted.rows(torch.arange(len(X))).numpy()
    there = Standardised.using(Xt, fitted.mean, fitted.scale).rows(torch.arange(len(Xt)))
    rows = Rows(raw(here), torch.from_numpy(y), as_keys(np.arange(len(X), dtype=np.uint64) + 1000))
    shape = preset(size)
    classes = int(max(y.max(), yt.max())) + 1
    config = HeadConfig(X.shape[1], classes, shape.members, shape.width)
    training = shape.training(len(X), EPOCHS[name])
    began = time.perf_counter()
    fit = fit_heads(rows, config, training)
    trained = time.perf_counter() - began
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    flipped = torch.from_numpy(both_sides(rows.features, rows.labels, rows.keys, head).flipped)
    evidence = Evidence(rows.features, rows.labels, rows.keys, flipped, head, training)
    wrong = np.flatnonzero(head.proba(there).argmax(1).numpy() != yt)
    return Ran(evidence, there, yt, trained, wrong)


def measure(name: str, size: str, subsets: int, count: int, items: int) -> dict[str, object]:
    """One line of the table."""
    own = ran(name, size)
    evidence, there, yt, trained, wrong = own.evidence, own.x, own.y, own.seconds, own.wrong
    head, training, n = evidence.head, evidence.training, len(evidence)
    config, rows = head.config, Rows(evidence.features, evidence.labels, evidence.keys)
    rng = np.random.default_rng(1)
    chosen = np.concatenate([rng.permutation(wrong)[:count], rng.permutation(len(yt))[:count]])
    labels = torch.from_numpy(yt[chosen])
    targets = Targets(there[chosen], labels, head.proba(there[chosen]))
    line: dict[str, object] = {"set": name, "run": size, "accuracy": 1 - len(wrong) / len(yt)}
    queries = {
        method: ESTIMATORS[estimator].prepare(evidence, settings).query(targets)
        for method, (estimator, settings) in METHODS.items()
    }
    prepared = ESTIMATORS["replay"].prepare(evidence)
    for what in ("first", "next"):
        began = time.perf_counter()
        single = Targets(there[chosen[:1]], labels[:1], targets.proba[:1])
        prepared.query(single).scores(slice(0, n))
        line[f"{what} item, trainings"] = (time.perf_counter() - began) / trained
    for share in DROPPED:
        weights = torch.from_numpy(rng.random((n, subsets)) >= share)
        losses = label_losses(
            retrain(replace(rows, weights=weights), config, training, targets.features), yt[chosen]
        )
        for method, query in queries.items():
            each = lds(subset_sums(query, weights), losses)
            line[f"{method}, {share:.0%}"] = (each[:count].mean(), each[count:].mean())
    if items:
        some = rng.permutation(wrong)[:items]
        labels, proba = torch.from_numpy(yt[some]), head.proba(there[some])
        slopes, correlation = change(evidence, training, Targets(there[some], labels, proba))
        line["change, slope (probability / loss)"] = slopes
        line["change, correlation"] = correlation
    return line


def cell(value: object) -> str:
    """Of the table."""
    if isinstance(value, tuple):
        return " / ".join(f"{v:.3f}" for v in value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_model", description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--sizes", nargs="+", default=["lean", "standard"])
    parser.add_argument("--subsets", type=int, default=24)
    parser.add_argument("--targets", type=int, default=6)
    parser.add_argument("--items", type=int, default=60, help="of the predicted change; 0: none")
    asked = parser.parse_args()
    lines = []
    for size in asked.sizes:
        for name in asked.sets:
            lines.append(measure(name, size, asked.subsets, asked.targets, asked.items))
            print(lines[-1], flush=True)
            write(lines, asked.subsets, asked.targets)


def write(lines: list[dict[str, object]], subsets: int, targets: int) -> None:
    """The table of what was measured so far."""
    heads = list(lines[0])
    table = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads))]
    table += ["| " + " | ".join(cell(line[h]) for h in heads) + " |" for line in lines]
    OUT.write_text(
        "# The same model without some rows\n\n`python -m benchmarks.same_model`: rank correlation "
        f"of predicted and actual loss over {subsets} retrainings with the same start, masks "
        f"and order; {targets} misclassified / random targets. The last columns say which "
        "estimator, and the share of rows dropped.\n\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
