"""`python -m benchmarks.strength`: how near the ridge's λ of a fresh project is to the best one.

A project without an evaluation takes λ by a rule that needs no retraining (`by_size` in
influence_core/influence/estimators/ridge.py). Here it is laid beside a grid of λ, by the LDS of
halves retrained from other starts, on sets of several sizes, two of which the rule was not made
on. Writes benchmarks/strength.md.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks import task as tasks
from benchmarks.ours import trained
from benchmarks.run import SAMPLES
from benchmarks.task import Task, make_task
from influence_core.evaluation.lds import lds
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Targets
from influence_core.influence.estimators.ridge import by_size

OUT = Path(__file__).with_suffix(".md")
GRID = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
# Set and how many of its rows; the last two come from scikit-learn and had no say in the rule.
CASES = (
    ("digits", 500), ("digits", 1200), ("fashion", 600), ("fashion", 1500), ("reviews", 600),
    ("reviews", 1500), ("breast_cancer", 350), ("wine", 110),
)  # fmt: skip


def tabular(name: str, rows: int) -> tuple[np.ndarray, ...]:
    """X, labels with 10 % planted noise, known wrong, test X, test labels."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(X))
    X, y = X[order].astype(np.float32), y[order]
    bad = rng.random(rows) < 0.1
    given = y[:rows].copy()
    given[bad] = (given[bad] + rng.integers(1, y.max() + 1, bad.sum())) % (y.max() + 1)
    return X[:rows], given, bad, X[rows:], y[rows:]


def task_of(name: str, rows: int, subsets: int) -> Task:
    """The set cut to so many rows, with its truth."""
    if (SAMPLES / name).is_dir():
        tasks.MAX_ROWS = rows
        return make_task(str(SAMPLES / name), subsets)
    tasks.digits = lambda seed=0: tabular(name, rows)  # type: ignore[assignment]
    return make_task("digits", subsets)


def measure(name: str, rows: int, subsets: int) -> dict[str, object]:
    """One line of the table."""
    task = task_of(name, rows, subsets)
    evidence, head = trained(task, "lean", None)
    x = torch.from_numpy(task.Xt)
    targets = Targets(x, torch.from_numpy(task.yt), head.proba(x))

    def agreement(strength: float) -> float:
        query = ESTIMATORS["flipped-ridge"].prepare(evidence, {"strength": strength}).query(targets)
        scores = query.scores(slice(0, len(evidence))).scores.numpy()
        each = lds(scores @ task.weights, task.losses)
        kinds = (each[: task.wrong], each[task.wrong :])
        return float(np.mean([np.nanmean(kind) for kind in kinds if len(kind)]))

    grid = {strength: agreement(strength) for strength in GRID}
    best = max(grid, key=lambda strength: grid[strength])
    ours = by_size(len(evidence), task.X.shape[1])
    found = agreement(ours)
    return {
        "set": name, "rows": rows, "features": task.X.shape[1], "best λ": best,
        "its LDS": grid[best], "λ by the rule": ours, "LDS": found, "lost": grid[best] - found,
        "lost by λ = 2": grid[best] - grid[2.0],
    }  # fmt: skip


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strength", description=__doc__)
    parser.add_argument("--subsets", type=int, default=48)
    asked = parser.parse_args()
    lines = []
    for name, rows in CASES:
        lines.append(measure(name, rows, asked.subsets))
        print(lines[-1], flush=True)
    heads = list(lines[0])
    table = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads))]
    for line in lines:
        cells = (f"{v:.3f}" if isinstance(v, float) else str(v) for v in line.values())
        table.append("| " + " | ".join(cells) + " |")
    OUT.write_text(
        "# The ridge's λ without retraining\n\n`python -m benchmarks.strength`: mean LDS over "
        f"misclassified and random targets, {asked.subsets} halves retrained from another start, "
        f"lean runs; best of {', '.join(f'{s:g}' for s in GRID)}.\n\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
