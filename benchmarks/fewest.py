"""`python -m benchmarks.fewest`: the smallest flipping set, adaptive against the static prefix.

    python -m benchmarks.fewest               # 30 misclassified items of each set, lean runs
    python -m benchmarks.fewest --sets digits --items 10

For each item the fewest rows are searched whose absence changes the predicted class: along replay's
list, and adaptively, by replay again after each fifth of the rows (`evaluation.adaptive`, as
`turnover verify --smallest`). What is retrained has two members, as in the search of a standard
run, and three retrainings vote on a size; a set counts only where a full proof (ten retrainings
from other starts) agrees. Writes benchmarks/fewest.md.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.same_model import EPOCHS, Ran, cell, ran
from influence_core.evaluation.adaptive import Strengths, fewest_rows
from influence_core.evaluation.proof import Flip, Proving, smallest_flip
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Targets
from influence_core.training.heads.types import Rows

OUT = Path(__file__).with_suffix(".md")
MOST = 500  # rows along which is searched, as in `workflow.explain.proof.verify`
WAYS = ("static", "adaptive")
MEMBERS, VOTES = 2, 3


def strengths(own: Ran, targets: Targets) -> Strengths:
    """As `workflow.explain.proof.fewest` has them, without a project."""

    def found(gone: np.ndarray) -> np.ndarray:
        weights = torch.ones(len(own.evidence), 1)
        weights[torch.from_numpy(gone)] = 0.0
        return scores(
            "replay", replace(own, evidence=replace(own.evidence, weights=weights)), targets
        )

    return found


def scores(name: str, own: Ran, targets: Targets) -> np.ndarray:
    query = ESTIMATORS[name].prepare(own.evidence).query(targets)
    return query.scores(slice(0, len(own.evidence))).scores[0].numpy()


def searched(own: Ran, item: int) -> list[Flip]:
    """Both searches of one item."""
    e, x = own.evidence, own.x[item : item + 1]
    proba = e.head.proba(x)
    targets = Targets(x, proba.argmax(1), proba)
    config = replace(e.head.config, members=MEMBERS)
    job = Proving(Rows(e.features, e.labels, e.keys), config, e.training, x)
    listed = scores("replay", own, targets)
    order = np.argsort(-listed, kind="stable")[: min(MOST, len(e) // 2)]
    order = order[listed[order] > 0]
    static = smallest_flip(job, order, search_retrainings=VOTES)
    return [static, fewest_rows(job, order, strengths(own, targets), static, votes=VOTES)]


def measure(name: str, size: str, items: int) -> dict[str, object]:
    """One line of the table."""
    own = ran(name, size)
    chosen = np.random.default_rng(2).permutation(own.wrong)[:items]
    began, found = time.perf_counter(), []
    for item in chosen:
        found.append(
            [np.inf if f.smallest is None else f.smallest for f in searched(own, int(item))]
        )
        print(name, int(item), found[-1], flush=True)
    table = np.array(found, dtype=float)
    line: dict[str, object] = {"set": name, "run": size, "items": len(chosen)}
    flips = np.isfinite(table).all(1)  # medians are of the same items
    for number, way in enumerate(WAYS):
        line[f"{way}: median size"] = float(np.median(table[flips, number])) if flips.any() else "-"
        line[f"{way}: share flipped"] = float(np.isfinite(table[:, number]).mean())
    line["adaptive smaller, share"] = float((table[:, 1] < table[:, 0]).mean())
    line["never larger"] = "yes" if (table[:, 1] <= table[:, 0]).all() else "no"
    line["s an item, both"] = (time.perf_counter() - began) / len(chosen)
    return line


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fewest", description=__doc__)
    parser.add_argument("--sets", nargs="+", default=list(EPOCHS), choices=list(EPOCHS))
    parser.add_argument("--sizes", nargs="+", default=["lean"])
    parser.add_argument("--items", type=int, default=30)
    asked, lines = parser.parse_args(), []
    for name in asked.sets:
        for size in asked.sizes:
            lines.append(measure(name, size, asked.items))
            print(lines[-1], flush=True)
            write(lines)


def write(lines: list[dict[str, object]]) -> None:
    heads = list(lines[0])
    table = ["| " + " | ".join(row) + " |" for row in (heads, ["---"] * len(heads))]
    table += ["| " + " | ".join(cell(line[h]) for h in heads) + " |" for line in lines]
    OUT.write_text(
        "# The smallest flipping set\n\n`python -m benchmarks.fewest`: the fewest rows whose "
        "absence changes a misclassified item's prediction, searched along lists of up to "
        f"{MOST} rows and adaptively. Medians are over items that both ways changed.\n\n"
        + "\n".join(table)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
