"""The ridge on a user's probabilities instead of our head's: LDS against the same retrainings.

    python -m benchmarks.own_proba            # writes benchmarks/own_proba.md

The user's model is one of scikit-learn; its probabilities of the training rows are those of 5-fold
cross-validation, its targets' those of a fit on all rows; both are averaged with a linear model, as
a run of such probabilities does it, or read as they are. Nothing of it is trained with turn-over
dropout. The truth are heads retrained on random halves, which favours our head.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.neural_network import MLPClassifier

from benchmarks.ours import trained
from benchmarks.strength import task_of
from benchmarks.task import Task
from influence_core.evaluation.lds import lds
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, Targets
from influence_core.workflow.session_network import averaged
from influence_core.workflow.train.own.linear import leave_one_out

OUT = Path(__file__).with_name("own_proba.md")
CASES = (("digits", 500), ("digits", 1200), ("fashion", 1500), ("reviews", 1500))
OURS = "our head, flipped side"
MODELS = {
    "5-fold MLP": lambda: MLPClassifier((256,), early_stopping=True, random_state=0, max_iter=60),
    "5-fold logistic regression": lambda: LogisticRegression(C=0.01, max_iter=500),
}


def agreement(task: Task, evidence: Evidence, proba: torch.Tensor) -> tuple[float, float]:
    """Mean LDS over misclassified and over random targets, λ by the size of the data."""
    targets = Targets(torch.from_numpy(task.Xt), torch.from_numpy(task.yt), proba)
    query = ESTIMATORS["flipped-ridge"].prepare(evidence).query(targets)
    each = lds(query.scores(slice(0, len(evidence))).scores.numpy() @ task.weights, task.losses)
    return float(np.nanmean(each[: task.wrong])), float(np.nanmean(each[task.wrong :]))


def measure(name: str, rows: int, subsets: int) -> list[str]:
    """The lines of one set."""
    task = task_of(name, rows, subsets)
    evidence, head = trained(task, "standard", None)
    found = {OURS: agreement(task, evidence, head.proba(torch.from_numpy(task.Xt)))}
    for title, make in MODELS.items():
        outside = cross_val_predict(make(), task.X, task.labels, cv=5, method="predict_proba")
        own = make().fit(task.X, task.labels).predict_proba(task.Xt)
        rows, told = (torch.from_numpy(p.astype(np.float32)) for p in (outside, own))
        theirs = replace(evidence, flipped=rows, head=None)
        found[f"{title}, as they are"] = agreement(task, theirs, told)
        linear = leave_one_out(task.rows.features, evidence.labels, task.classes)
        other = (torch.from_numpy(task.Xt) @ linear.weight + linear.bias).softmax(1)
        theirs = replace(theirs, leaning=averaged(rows, linear.outside))
        found[title] = agreement(task, theirs, averaged(told, other))
    base = sum(found[OURS]) / 2
    return [
        f"| {task.name} | {len(task.X):,} | {title} | {wrong:.3f} | {random:.3f} | "
        f"{(wrong + random) / 2 - base:+.3f} |"
        for title, (wrong, random) in found.items()
    ]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.own_proba", description=__doc__)
    parser.add_argument("--subsets", type=int, default=48)
    parser.add_argument("--sets", nargs="+", default=[name for name, _ in CASES])
    asked = parser.parse_args()
    lines = [
        "| set | rows | probabilities | LDS misclassified | LDS random | mean beside ours |",
        "|---|---|---|---|---|---|",
    ]
    for name, rows in CASES:
        if name in asked.sets:
            lines += measure(name, rows, asked.subsets)
            print("\n".join(lines), flush=True)
            OUT.write_text(
                "# The ridge on probabilities of a user's own model\n\n"
                f"`python -m benchmarks.own_proba --subsets {asked.subsets}`: those of a user's "
                "model are averaged with a linear model, half and half, or read as they are. The "
                "half, and the linear model's range of damping, were chosen on these sets.\n\n"
                + "\n".join(lines)
                + "\n",
                encoding="utf-8",
            )


if __name__ == "__main__":
    main()
