"""How often "its own label may be wrong" is right: wrong labels planted among test items.

    python -m benchmarks.doubt > benchmarks/doubt.md

On both samples 5 % of the test labels are changed at random, twenty times, and the doubts of
`workflow.explain.verdict` are counted. Each line is a rule: how sure the model must be.
"""

from collections.abc import Iterator

import numpy as np
import torch

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.workflow.explain.explain import predictions
from influence_core.workflow.explain.verdict import OTHERS, OWN, SURE
from influence_core.workflow.review.nearest import Nearest, nearest_rows
from influence_core.workflow.session import Session, open_session

SEEDS, SHARE = 20, 0.05
RULES = (0.0, 0.8, 0.9, SURE, 0.99)


def around(session: Session) -> list[Nearest]:
    """The nearest training rows of every test item."""
    items = len(session.project.dataset.split("test"))
    x = session.split_features("test").rows(torch.arange(items))
    return nearest_rows(session, x, [-1] * items, [[]] * items)


def measured(session: Session) -> Iterator[str]:
    """A line a rule: items doubted, how many of them are wrong, of the wrong how many."""
    table = predictions(session, "test")
    near, classes = around(session), len(session.classes)
    given, predicted = (table[f"{n}_number"].to_numpy() for n in ("label", "predicted"))
    sure = table["confidence"].to_numpy()
    totals = {rule: np.zeros(3) for rule in RULES}
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        bad = random.random(len(given)) < SHARE
        label = np.where(bad, (given + random.integers(1, classes, len(given))) % classes, given)
        many = np.array([n.of(p) >= OTHERS * n.total for n, p in zip(near, predicted, strict=True)])
        few = np.array([n.of(y) <= OWN * n.total for n, y in zip(near, label, strict=True)])
        for rule in RULES:
            doubt = (label != predicted) & many & few & (sure >= rule)
            totals[rule] += doubt.sum(), (doubt & bad).sum(), bad.sum()
    name = session.project.root.name
    for rule, (doubted, right, wrong) in totals.items():
        yield (
            f"| {name} | {rule:.2f} | {doubted / SEEDS:.1f} | {right / doubted:.2f} | "
            f"{right / wrong:.2f} |"
        )


def main() -> None:
    """Print the table."""
    root = sample_root()
    assert root is not None
    print("| sample | model this sure | items doubted | of them wrong | of the wrong found |")
    print("|---|---|---|---|---|")
    for name in ("fashion", "reviews"):
        for line in measured(open_session(Project.open(root / name))):
            print(line)


if __name__ == "__main__":
    main()
