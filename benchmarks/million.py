"""A million rows x 384 float16 in a mapped file: train a head, scan, say what it took.

    python -m benchmarks.million [--rows 1000000] [--epochs 1] [--members 16] [--width 256]

The file is written first, in pieces; then training and scans run in this process, and the peak of
its resident memory that is its own (not pages of the mapped file, which the system may take back)
is printed beside the size that the features would have as float32 in memory.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap

from benchmarks.scan_cases import FEATURES, some_targets
from influence_core.influence import estimator
from influence_core.influence.base import Evidence, HeadWeights
from influence_core.influence.scan import scan
from influence_core.progress import Progress
from influence_core.training.features import Standardised
from influence_core.training.head_types import HeadTraining, Rows
from influence_core.training.heads import fit_heads
from influence_core.turnover.head import HeadConfig

CLASSES, PIECE = 10, 50_000


def write(path: Path, rows: int) -> torch.Tensor:
    """Clusters around their class; returns the labels."""
    file = open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, FEATURES))
    rng = np.random.default_rng(0)
    centres = 0.2 * rng.standard_normal((CLASSES, FEATURES), dtype=np.float32)
    labels = rng.integers(0, CLASSES, rows)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("rows", 1_000_000), ("epochs", 1), ("members", 16), ("width", 256)):
        parser.add_argument(f"--{name}", type=int, default=value)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        labels = write(path, asked.rows)
        peak = [0.0]
        before = own_memory(peak)
        start = time.perf_counter()
        features = Standardised.fit(np.load(path, mmap_mode="r"))
        keys = torch.randint(0, 2**62, (asked.rows,))
        config = HeadConfig(FEATURES, CLASSES, members=asked.members, width=asked.width)

        def tell(event: Progress) -> None:
            own_memory(peak)
            shown = ", ".join(f"{k} {v:.3f}" for k, v in event.metrics.items())
            print(f"  epoch {event.done}: {time.perf_counter() - start:.0f} s; {shown}", flush=True)

        how = HeadTraining(epochs=asked.epochs)
        fit = fit_heads(Rows(features, labels, keys), config, how, progress=tell)
        print(f"trained {asked.epochs} epochs of {asked.rows:,} rows in "
              f"{time.perf_counter() - start:.0f} s")  # fmt: skip
        flipped = torch.full((1, CLASSES), 1 / CLASSES).expand(asked.rows, CLASSES)
        head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
        evidence = Evidence(features, labels, keys, flipped, head)
        query = estimator("turnover").prepare(evidence).query(some_targets(evidence, 1))
        for _ in range(2):
            start = time.perf_counter()
            scan(query, asked.rows, k=20, on_partial=lambda _: own_memory(peak))
        print(f"turnover, one target, top 20 both ways: {time.perf_counter() - start:.2f} s")
        whole = asked.rows * FEATURES * 4 / (1 << 20)
        print(f"own memory at most {peak[0] - before:.0f} MB above {before:.0f} MB; the features "
              f"as float32 are {whole:.0f} MB")  # fmt: skip


if __name__ == "__main__":
    main()
