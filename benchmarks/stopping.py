"""`python -m benchmarks.stopping`: when a head's training stops, and what that costs.

    python -m benchmarks.stopping                        # standard and lean, three seeds
    python -m benchmarks.stopping --sizes lean --seeds 0

Every head trains to its limit once; after each epoch the flipped side's error, the accuracy on the
test split and the average precision of wrong labels are noted, so both rules are read off the same
curves: the one in use (`HeadTraining.has_ended`), and patience (three epochs without a lower error,
60 steps at least; the best epoch is kept), which was in use before. Sets: *digits* (500 rows), the
same through 1,280 random units, and the samples, each with 0, 5 and 20 % planted noise. `--lds`
adds the ridge's LDS at both ends. Writes benchmarks/stopping.md.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

from benchmarks.task import digits, from_project, raw
from influence_core.evaluation.retrain import label_losses, random_halves, retrain
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.sides import both_sides
from influence_core.installed import sample_root
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.loop import HeadLoop, epoch_stats
from influence_core.training.heads.presets import preset
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

OUT = Path(__file__).with_suffix(".md")
SETS = ("digits", "digits-1280", "fashion", "reviews")
NOISE = (0.0, 0.05, 0.2)
UNITS, HALVES, TARGETS = 1280, 100, 30


class Set:
    """Standardised rows with planted noise, and the test split."""

    def __init__(self, name: str, noise: float, seed: int) -> None:
        rng = np.random.default_rng(100 + seed)
        if name.startswith("digits"):
            X, y, bad, Xt, yt = digits(seed)
            y = y.copy()
            y[bad] = true_digits(seed)[: len(y)][bad]  # its own noise is not asked for here
            bad = np.zeros(len(y), bool)
            if name == "digits-1280":
                X, Xt = through_units(X, Xt)
        else:
            X, y, known, Xt, yt = from_project(sample_root() / name)
            bad = np.zeros(len(y), bool) if known is None else known
        self.classes = int(max(y.max(), yt.max())) + 1
        planted = rng.random(len(y)) < noise
        y = y.copy()
        y[planted] = (y[planted] + rng.integers(1, self.classes, planted.sum())) % self.classes
        self.bad = bad | planted
        fitted = Standardised.fit(X)
        there = Standardised.using(Xt, fitted.mean, fitted.scale)
        self.y, self.yt, self.n = torch.from_numpy(y), yt, len(y)
        self.Xt = there.rows(torch.arange(len(Xt)))
        X = fitted.rows(torch.arange(self.n)).numpy()
        keys = as_keys(np.arange(self.n, dtype=np.uint64) + 1000)
        self.rows = Rows(raw(X), self.y, keys)

    def head(self, size: str, seed: int) -> HeadConfig:
        """The preset's shape on these rows."""
        own = preset(size)
        return HeadConfig(self.Xt.shape[1], self.classes, own.members, own.width, seed=seed)


def true_digits(seed: int) -> np.ndarray:
    """Labels as they are, in the order of `digits`."""
    from sklearn.datasets import load_digits

    y = load_digits(return_X_y=True)[1]
    return y[np.random.default_rng(seed).permutation(len(y))]


def through_units(X: np.ndarray, Xt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Random rectified units: many dimensions, few of which tell anything."""
    weights = np.random.default_rng(7).normal(size=(X.shape[1], UNITS)) / np.sqrt(X.shape[1])
    mean, scale = X.mean(0), X.std()
    inside, there = (np.maximum((part - mean) / scale @ weights, 0) for part in (X, Xt))
    return inside.astype(np.float32), there.astype(np.float32)


def curves(data: Set, config: HeadConfig, training: HeadTraining) -> np.ndarray:
    """Flipped error, test accuracy and AP of wrong labels after each epoch, (epochs, 3)."""
    loop, found = HeadLoop(data.rows, config, training), []
    for epoch in range(1, training.most_epochs(data.n) + 1):
        loop.epoch(None)
        learned, flipped = loop.look()
        error = epoch_stats(epoch, data.y, learned, flipped).flipped_error
        own = flipped.mean(0).gather(1, data.y[:, None])[:, 0].numpy()
        right = HeadWeights(*loop.params, config).proba(data.Xt).argmax(1).numpy() == data.yt
        ap = average_precision_score(data.bad, -own) if data.bad.any() else np.nan
        found.append((error, right.mean(), ap))
    return np.array(found)


def by_patience(errors: np.ndarray, steps: int) -> tuple[int, int]:
    """(epoch kept, epochs trained) by the rule of before."""
    best, kept, patience = np.inf, 0, max(3, -(-60 // steps))
    for epoch, error in enumerate(errors, 1):
        if epoch - 1 - kept >= patience:
            return kept, epoch - 1
        if error < best:
            best, kept = error, epoch
    return kept, len(errors)


def by_worth(errors: np.ndarray, training: HeadTraining, rows: int) -> int:
    """Epochs trained, all of which are kept, by the rule in use."""
    each = (e for e in range(1, len(errors)) if training.has_ended(errors[:e].tolist(), rows))
    return next(each, len(errors))


def ridge_lds(data: Set, config: HeadConfig, epochs: int) -> float:
    """LDS of the flipped-residual ridge, mean of misclassified and random items."""
    training = HeadTraining(epochs=epochs, seed=config.seed)
    fit = fit_heads(data.rows, config, training)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    proba, rng = head.proba(data.Xt), np.random.default_rng(0)
    missed = rng.permutation(np.flatnonzero(proba.argmax(1).numpy() != data.yt))[:TARGETS]
    chosen = np.concatenate([missed, rng.permutation(len(data.yt))[:TARGETS]])
    weights = random_halves(data.n, HALVES, seed=5)
    one = HeadConfig(config.features, config.classes, 1, 256, seed=1000)
    again = replace(training, seed=1000)
    proba_of = retrain(replace(data.rows, weights=weights), one, again, data.Xt[chosen])
    losses = label_losses(proba_of, data.yt[chosen])  # (M, T)
    flipped = torch.from_numpy(both_sides(data.rows.features, data.y, data.rows.keys, head).flipped)
    own = Evidence(data.rows.features, data.y, data.rows.keys, flipped, head, training)
    asked = Targets(data.Xt[chosen], torch.from_numpy(data.yt[chosen]), proba[chosen])
    scores = ESTIMATORS["flipped-ridge"].prepare(own).query(asked).scores(slice(0, data.n)).scores
    told = -(scores.double() @ weights.double()).numpy()  # (T, M)
    each = [spearmanr(told[t], losses[:, t])[0] for t in range(len(chosen))]
    return float(np.mean([np.mean(each[: len(missed)]), np.mean(each[len(missed) :])]))


def line(name: str, noise: float, size: str, seeds: list[int], lds: bool) -> str:
    """One row of the table: means over seeds."""
    found = []
    for seed in seeds:
        data = Set(name, noise, seed)
        config, training = data.head(size, seed), preset(size).training(data.n, None, seed)
        seen = curves(data, config, training)
        steps = -(-data.n // training.batch_for(data.n))
        kept, trained = by_patience(seen[:, 0], steps)
        ended = by_worth(seen[:, 0], training, data.n)
        both = [ridge_lds(data, config, epochs) for epochs in (kept, ended)] if lds else [0.0, 0.0]
        found.append([trained, ended, *(seen[ended - 1, 1:] - seen[kept - 1, 1:]), *both])
    before, now, accuracy, ap, old, new = np.mean(found, axis=0)
    told = f"| {name} | {noise:.0%} | {before:.0f} | {now:.0f} | {accuracy:+.4f} | "
    told += ("" if np.isnan(ap) else f"{ap:+.4f}") + " |"
    return told + (f" {old:.3f} | {new:.3f} |" if lds else " | |")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stopping", description=__doc__)
    parser.add_argument("--sizes", nargs="*", default=["standard", "lean"])
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--noise", nargs="*", type=float, default=list(NOISE))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    parser.add_argument("--lds", action="store_true", help="retrain 100 halves at both ends, too")
    asked = parser.parse_args()
    parts = []
    for size in asked.sizes:
        table = [
            "| set | planted | epochs before | epochs now | accuracy | AP | LDS before | LDS now |",
            "|" + "---|" * 8,
        ]
        for name in asked.sets:
            for noise in asked.noise:
                table.append(line(name, noise, size, asked.seeds, asked.lds))
                print(size, table[-1], flush=True)
        parts.append(f"## {size}\n\n" + "\n".join(table) + "\n")
    OUT.write_text(
        "# When a training stops\n\n`python -m benchmarks.stopping"
        f"{' --lds' if asked.lds else ''}`, means over seeds {asked.seeds}: epochs trained by "
        "patience (before) and by worth (now), and what the latter changes in accuracy on the test "
        "split and in average precision of wrong labels.\n\n" + "\n".join(parts),
        encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    main()
