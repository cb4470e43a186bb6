"""Planted slices: whether they are found, what is said to be behind them, and what chance gives.

    python -m benchmarks.slices [--seeds 10] [--null 20] [--sets fashion reviews]

Each row gets a column `shop`, of which one value holds 3 % of all rows. *wrong*: 30 % of its labels
are drawn again among the other classes, in every split. *missing*: nine in ten of its training rows
are gone, and its rows are moved in feature space so that they are a world of their own. A lean head
is trained, and slices are found as `turnover slices` finds them. *none*: the planted values say
nothing, and what a trained run makes of its rows is dealt again among those of their class, so that
no slice is worse than its classes; a slice reported beyond its interval is a false one. Writes
`benchmarks/slices.md`.
"""

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import numpy as np

from benchmarks.causes import SPLITS, Rows, project_of, sample
from influence_core.workflow.slices import find
from influence_core.workflow.slices import known as known_rows
from influence_core.workflow.train.head import TrainOptions

OUT = Path(__file__).with_suffix(".md")
SETS = ["fashion", "reviews"]
SHARE, NOISE, GONE, FIRST = 0.03, 0.3, 0.9, 3
MOSTLY = 0.5  # of the rows of both: a kind of rows may be the planted slice by another name
SHOPS = 33  # values, each of about as many rows


def plant(rows: dict[str, Rows], seed: int, how: str) -> dict[str, np.ndarray]:
    """The column `shop` of each split; "s7" is the planted value."""
    rng, shops = np.random.default_rng(seed), {}
    away = None
    for split, part in rows.items():
        own = np.array([f"s{i}" for i in rng.integers(0, SHOPS, len(part.labels))])
        own[own == "s7"] = "s0"
        here = rng.random(len(own)) < SHARE
        own[here] = "s7"
        classes = np.unique(part.labels)
        if how == "wrong":
            for place in np.flatnonzero(here & (rng.random(len(own)) < NOISE)):
                part.labels[place] = rng.choice(classes[classes != part.labels[place]])
        if how == "missing":
            # A mirror world: what tells classes apart elsewhere misleads here, yet can be learned.
            if away is None:
                away = rng.permutation(part.x.shape[1])
            part.x[here] = part.x[here][:, away]
            if split == "train":
                stay = ~here | (rng.random(len(own)) > GONE)
                part.x, part.labels, part.gold = part.x[stay], part.labels[stay], part.gold[stay]
                part.texts = part.texts and [t for t, s in zip(part.texts, stay, strict=True) if s]
                own = own[stay]
        shops[split] = own
    return shops


def lean(seed: int) -> TrainOptions:
    return TrainOptions.of_size("lean", seed=seed)


def planted_case(name: str, seed: int, how: str) -> str:
    """One line of the table."""
    rows = sample(name)
    shops = plant(rows, seed, how)
    with tempfile.TemporaryDirectory() as folder:
        found = find.find_slices(project_of(rows, Path(folder), lean(seed), shops), "test")
    planted = {*np.flatnonzero(shops["test"] == "s7").tolist()}
    rank = next((i for i, one in enumerate(found.found) if alike(planted, one.items)), None)
    line = f"| {name} | {how} | {seed} | {len(found.beyond)} "
    if rank is None:
        return f"{line}| not found | | | | | |"
    one = found.found[rank]
    judged = one.judged
    behind = [what for what, said in (("wrong", one.mislabelled), ("missing", one.missing)) if said]
    return (
        f"{line}| {rank + 1} | {one.name} | {judged.errors} of {judged.size} "
        f"({judged.low:.0%} to {judged.high:.0%}) | {judged.expected:.0%} "
        f"| {judged.excess:+.2f} ({judged.excess_low:+.2f} to {judged.excess_high:+.2f}) "
        f"| {' and '.join(behind) or 'neither'} |"
    )


def alike(planted: set[int], items: np.ndarray) -> bool:
    """Whether at least half of what either holds is in both."""
    own = {*items.tolist()}
    return len(own & planted) >= MOSTLY * len(own | planted)


def null_cases(name: str, times: int) -> str:
    """How many of so many data sets without a slice had one reported."""
    rows = sample(name)
    shops = plant(rows, 0, "none")
    false = 0
    with tempfile.TemporaryDirectory() as folder:
        session = project_of(rows, Path(folder), lean(0), shops)
        data = session.project.dataset
        known = {split: known_rows.seen(session, split) for split in SPLITS}
        for seed in range(times):
            rng = np.random.default_rng(seed)
            dealt = {s: _dealt(known[s], data.split(s).labels, rng) for s in SPLITS}
            with patch.object(known_rows, "seen", lambda _, split, dealt=dealt: dealt[split]):
                false += bool(find.find_slices(session, "test").beyond)
    return f"| {name} | {times} | {false} |"


def _dealt(
    seen: tuple[np.ndarray, np.ndarray], labels: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The same errors and losses in each class, on other rows."""
    order = np.arange(len(labels))
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        order[own] = rng.permutation(own)
    return seen[0][order], seen[1][order]


def table(names: Sequence[str], seeds: int, null: int) -> Iterator[str]:
    """The file, a line at a time."""
    yield (
        f"# Planted slices ({SHARE:.0%} of the rows, {NOISE:.0%} of their labels wrong; "
        "`python -m benchmarks.slices`)\n"
    )
    yield (
        "| sample | planted | seed | slices beyond chance | place of the planted one | its name "
        "| wrong among those judging (corrected 95 %) | expected "
        "| loss above its classes (corrected 95 %) | said to be behind it |"
    )
    yield "|---" * 10 + "|"
    for name in names:
        for how in ("wrong", "missing"):
            for seed in range(seeds):
                yield planted_case(name, seed, how)
    yield "\n# Errors and losses dealt again within each class\n"
    yield "| sample | data sets | with a slice reported beyond its interval |\n|---|---|---|"
    for name in names:
        yield null_cases(name, null)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--null", type=int, default=20)
    parser.add_argument("--sets", nargs="*", choices=SETS, default=SETS)
    asked = parser.parse_args()
    lines = []
    for line in table(asked.sets, asked.seeds, asked.null):
        print(line, flush=True)
        lines.append(line)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
