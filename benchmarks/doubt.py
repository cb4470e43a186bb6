"""How often a label that is said to look wrong is wrong: training rows, and items of a test split.

    python -m benchmarks.doubt > benchmarks/doubt.md

The training labels of both samples are compared with their gold labels: fashion has planted 5 %, a
rater of reviews was alone. Of the test labels 5 % are changed at random, twenty times. Each line is
a rule of `workflow.review.doubt`: how sure the model must be. "flagged" is what the desk flags.
"""

from collections.abc import Iterator

import numpy as np
import torch

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.review.doubt import OTHERS, OWN, SURE
from influence_core.workflow.review.nearest import Nearest, nearest_rows
from influence_core.workflow.review.scores import flagged_rows
from influence_core.workflow.session import Session, open_session

SEEDS, SHARE = 20, 0.05
RULES = (0.0, 0.8, 0.9, SURE, 0.99)


def around(session: Session, split: str) -> list[Nearest]:
    """The nearest training rows of every row of a split."""
    rows = len(session.project.dataset.split(split))
    x = session.split_features(split).rows(torch.arange(rows))
    own = range(rows) if split == "train" else [-1] * rows
    return nearest_rows(session, x, own, [[]] * rows)


def trained(session: Session) -> Iterator[str]:
    """A line a rule of training rows, and one of the flags."""
    train, names = session.project.dataset.train, np.array(session.classes)
    bad = names[train.labels] != np.array([str(name) for name in train.extra("gold")])
    table, near = flagged_rows(session.run), around(session, "train")
    at = train.positions_of(table["key"].to_numpy())
    doubts = [
        near[i].of(suggested) >= OTHERS * near[i].total and near[i].of(given) <= OWN * near[i].total
        for i, given, suggested in zip(at, table["given"], table["suggested"], strict=True)
    ]
    yield _line(session, "train, flagged", len(at), bad[at].sum(), bad.sum())
    for rule in RULES:
        found = at[np.array(doubts) & (table["p_suggested"].to_numpy() >= rule)]
        yield _line(session, f"train, {rule:.2f}", len(found), bad[found].sum(), bad.sum())


def _line(session: Session, rule: str, doubted: float, right: float, wrong: float) -> str:
    name = session.project.root.name
    return f"| {name} | {rule} | {doubted:.0f} | {right / doubted:.2f} | {right / wrong:.2f} |"


def measured(session: Session) -> Iterator[str]:
    """A line a rule: items doubted, how many of them are wrong, of the wrong how many."""
    table = predictions(session, "test")
    near, classes = around(session, "test"), len(session.classes)
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
    for rule, total in totals.items():
        yield _line(session, f"test, {rule:.2f}", *(total / SEEDS))


def main() -> None:
    """Print the table."""
    root = sample_root()
    assert root is not None
    print("| sample | split, model this sure | doubted | of them wrong | of the wrong found |")
    print("|---|---|---|---|---|")
    for name in ("fashion", "reviews"):
        session = open_session(Project.open(root / name))
        for line in (*trained(session), *measured(session)):
            print(line)


if __name__ == "__main__":
    main()
