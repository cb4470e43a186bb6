"""A million rows x 384 float16 in a mapped file: train a head, take sides, scan, judge.

    python -m benchmarks.million [--rows 1000000] [--classes 2,10] [--members 16] [--width 256]

The file is written first, in pieces; then one epoch of training, both sides, scans and a judge run
in this process. The peak of its resident memory that is its own (not pages of the mapped file,
which the system may take back) is given beside the size that the features would have as float32.
The encoder's speed is that of MiniLM on the sentences of the sample *reviews*. Prints a table and
appends it, with the machine, to `benchmarks/million.md`; `docs/scale.md` reckons with it.
"""

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from benchmarks.scan_cases import FEATURES, some_targets
from influence_core.influence import estimator
from influence_core.influence.base import Evidence, HeadWeights
from influence_core.influence.scan import mean_influence, scan
from influence_core.influence.sides import both_sides
from influence_core.progress import Progress
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig
from influence_core.workflow.costs.rates import measure_encoder
from influence_core.workflow.costs.work import encode_work

PIECE, JUDGED = 50_000, 100
OUT = Path(__file__).with_suffix(".md")
SAMPLE = Path(__file__).parents[1] / "sample_data" / "reviews"


def write(path: Path, rows: int, classes: int) -> torch.Tensor:
    """Clusters around their class; returns the labels."""
    file = open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, FEATURES))
    rng = np.random.default_rng(0)
    centres = 0.2 * rng.standard_normal((classes, FEATURES), dtype=np.float32)
    labels = rng.integers(0, classes, rows)
    for start in range(0, rows, PIECE):
        own = labels[start : start + PIECE]
        file[start : start + PIECE] = centres[own] + rng.standard_normal(
            (len(own), FEATURES), dtype=np.float32
        )
    file.flush()
    return torch.from_numpy(labels)


def own_memory(peak: list[float]) -> float:
    """Anonymous memory of this process, MB; the highest so far is kept in `peak` (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    now = next(int(x.split()[1]) / 1024 for x in lines if x.startswith("RssAnon"))
    peak[0] = max(peak[0], now)
    return now


def measure(rows: int, classes: int, members: int, width: int, folder: str) -> list[str]:
    """The lines of the table for so many classes."""
    path = Path(folder) / f"features-{classes}.npy"
    labels = write(path, rows, classes)
    peak = [0.0]
    before = own_memory(peak)
    lines = []

    def timed(name: str, work: Callable[[], object], times: int = 1) -> object:
        start = time.perf_counter()
        done = work()
        own_memory(peak)
        seconds = (time.perf_counter() - start) * 1e6 / rows
        lines.append(f"| {name} | {classes} | {seconds * times:.2f} s |")
        print(lines[-1], flush=True)
        return done

    features = Standardised.fit(np.load(path, mmap_mode="r"))
    keys = torch.randint(0, 2**62, (rows,))
    config = HeadConfig(FEATURES, classes, members=members, width=width)

    def tell(_: Progress | object) -> None:
        own_memory(peak)

    work = Rows(features, labels, keys)
    how = HeadTraining(epochs=1)
    fit = timed("train, one epoch", lambda: fit_heads(work, config, how, progress=tell))
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)  # type: ignore[attr-defined]
    sides = timed("both sides of every row", lambda: both_sides(features, labels, keys, head))
    flipped = torch.from_numpy(sides.flipped)  # type: ignore[attr-defined]
    evidence = Evidence(features, labels, keys, flipped, head)
    for name in ("turnover", "flipped-ridge"):
        prepared = estimator(name).prepare(evidence)
        one = prepared.query(some_targets(evidence, 1))
        scan(one, min(rows, 4 * PIECE), k=20)  # compiles
        timed(
            f"{name}, one target, top 20 both ways",
            lambda one=one: scan(one, rows, k=20, on_partial=tell),
        )
        many = prepared.query(some_targets(evidence, JUDGED))
        timed(
            f"{name}, judge of 1,000 targets (from {JUDGED})",
            lambda many=many: mean_influence(many, rows),
            times=1_000 // JUDGED,
        )
    whole = rows * FEATURES * 4 / (1 << 20)
    lines.append(
        f"| own memory at most, above the {before:.0f} MB at the start (the features as float32: "
        f"{whole:.0f} MB) | {classes} | {peak[0] - before:.0f} MB |"
    )
    print(lines[-1], flush=True)
    path.unlink()
    return lines


def encoding() -> str:
    """MiniLM on the sentences of a sample."""
    project = Project.open(SAMPLE)
    split = project.dataset.train
    each = measure_encoder(project, "cpu")["encode"] * encode_work(split) / len(split)
    row = f"| encode sentences of `reviews` (MiniLM) | any | {each * 1e6:.0f} s |"
    print(row, flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("rows", 1_000_000), ("members", 16), ("width", 256)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--classes", default="2,10")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    lines = ["| work | classes | a million rows |", "|---|---|---|", encoding()]
    with tempfile.TemporaryDirectory() as folder:
        for classes in map(int, asked.classes.split(",")):
            lines += measure(asked.rows, classes, asked.members, asked.width, folder)
    head = (
        f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n{platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; load before: {load:.1f}. "
        f"{asked.rows:,} rows x {FEATURES}, {asked.members} x {asked.width} units.\n\n"
    )
    with OUT.open("a") as file:
        file.write(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
