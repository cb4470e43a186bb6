"""The paper's cleansing experiment under domain shift, on the shipped sentences.

    python -m benchmarks.cleanse [--splits 5] [--out benchmarks/cleanse.json]

Train on movie sentences with one rater's labels; judge and test are random halves of the
electronics sentences (gold labels). Rows go by one ranking ("one shot") or in rounds of 2 % with
the turn-over model retrained in between ("iterative"); controls are nothing and random rows of the
same classes. Accuracy of 10 retrainings each, difference to nothing removed, in points.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy import stats

from influence_core.cleansing.choose import Selection, random_control
from influence_core.cleansing.rounds import Measured, Schedule, rounds
from influence_core.evaluation.retrain import retrain, without
from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.training.heads.types import Rows
from influence_core.workflow.cleanse.rounds import measure_round
from influence_core.workflow.cleanse.target_split import TargetItems, TargetSplit, target_items
from influence_core.workflow.session import Session, open_session

SHARES = (0.01, 0.02, 0.04, 0.10, 0.20)
SEEDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--estimator", default="flipped-ridge")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/cleanse.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    session = open_session(Project.open(sample_root() / "reviews"))
    pooled = _pool(session, ("electronics_valid", "electronics_test"))
    inside = target_items(session, TargetSplit("test"))
    tables = []
    for split in range(arguments.splits):
        table = one_split(session, pooled, inside, split, arguments.estimator)
        tables.append(table)
        print(f"split {split + 1}/{arguments.splits}", flush=True)
        print(table.pivot(index="share", columns="arm", values="test").round(2), flush=True)
    frame = pd.concat(tables)
    summary = summarise(frame)
    print(summary.to_string(index=False))
    kept = {"summary": summary.to_dict("records"), "rows": frame.to_dict("records")}
    arguments.out.write_text(json.dumps(kept, indent=1))


def one_split(
    session: Session, pooled: TargetItems, inside: TargetItems, seed: int, name: str
) -> pd.DataFrame:
    """All arms and shares on one random cut of the electronics sentences."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(pooled))
    judge, test = (pooled.some(np.sort(half)) for half in np.array_split(order, 2))
    rows = len(session.evidence)
    labels = session.evidence.labels.numpy()

    def measure(kept: np.ndarray, number: int) -> Measured:
        return measure_round(session, kept, (judge, judge), name, None)

    plan = Schedule(step=0.02, most=max(SHARES), patience=0)
    states = list(rounds(rows, plan, measure))
    by_size = {len(s.removed): s.removed for s in states}
    first = np.argsort(states[0].measured.harm, kind="stable")
    arms: list[tuple[str, float, np.ndarray]] = [("none", 0.0, np.empty(0, np.int64))]
    for share in SHARES:
        size = round(share * rows)
        arms.append(("one shot", share, first[:size]))
        if size in by_size:
            arms.append(("iterative", share, by_size[size]))
        for draw in range(3):
            control = random_control(labels, Selection(first[:size]), draw)
            arms.append((f"random {draw}", share, control))
    return _accuracies(session, arms, {"judge": judge, "test": test, "in-domain": inside}, seed)


def _accuracies(
    session: Session,
    arms: list[tuple[str, float, np.ndarray]],
    items: dict[str, TargetItems],
    seed: int,
) -> pd.DataFrame:
    """Difference in accuracy to nothing removed, in points, the mean over retrainings."""
    weights = without(len(session.evidence), [removed for _, _, removed in arms])
    rows = Rows(session.features, session.evidence.labels, session.evidence.keys, weights)
    config = replace(session.head.config, members=SEEDS, seed=1000 + seed)
    x = torch.cat([part.features for part in items.values()])
    seen = retrain(rows, config, session.training, x)
    out = []
    start = 0
    accuracy = {}
    for name, part in items.items():
        here = seen[:, :, start : start + len(part)].argmax(3) == part.labels.numpy()
        accuracy[name] = 100 * here.mean((1, 2))
        start += len(part)
    for i, (arm, share, _) in enumerate(arms):
        figures = {n: float(a[i] - (a[0] if arm != "none" else 0)) for n, a in accuracy.items()}
        kind = "random" if arm.startswith("random") else arm
        out.append({"split": seed, "arm": kind, "share": share, **figures})
    return pd.DataFrame(out).groupby(["split", "arm", "share"], as_index=False).mean()


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """Mean over the cuts with a 95 % t interval on the test half."""
    out = []
    for (arm, share), group in frame.groupby(["arm", "share"]):
        values = group["test"].to_numpy()
        reach = np.nan
        if len(values) > 1:
            reach = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
        out.append(
            {
                "arm": arm, "share": share, "test": values.mean(), "±": reach,
                "judge": group["judge"].mean(), "in-domain": group["in-domain"].mean(),
            }
        )  # fmt: skip
    return pd.DataFrame(out).round(2)


def _pool(session: Session, splits: tuple[str, ...]) -> TargetItems:
    parts = [target_items(session, TargetSplit(name)) for name in splits]
    return TargetItems(
        np.concatenate([p.positions for p in parts]),
        torch.cat([p.features for p in parts]),
        torch.cat([p.labels for p in parts]),
    )


if __name__ == "__main__":
    main()
