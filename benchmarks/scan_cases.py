"""The rows, heads and bare products that `benchmarks.scan` measures; memory in fresh processes.

python -m benchmarks.scan_cases memory|small|million      prints JSON
"""

import gc
import json
import sys
import time
from pathlib import Path

import numpy as np
import torch

from influence_core.influence import estimator
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.scan import scan
from influence_core.training.features import Standardised
from influence_core.training.heads.types import Rows
from influence_core.turnover.head import HeadConfig, initial_weights

ROWS, BIG = 50_000, 1_000_000
FEATURES = 384


def _features(rows: int, seed: int = 0) -> Standardised:
    values = torch.randn(rows, FEATURES, generator=torch.Generator().manual_seed(seed))
    return Standardised(values, torch.zeros(FEATURES), torch.ones(FEATURES), values)


def _keys(rows: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.randint(-(2**62), 2**62, (rows,), generator=draw)


def head_evidence(rows: int, classes: int, config: HeadConfig | None = None) -> Evidence:
    """A head, of 16 x 256 by default; the scan reads no features, so a few stand for all."""
    config = config or HeadConfig(FEATURES, classes, members=16, width=256)
    W1, b1, W2 = initial_weights(config)
    # As large as after training: logits of a few units.
    W2 = W2 + 0.1 * torch.randn(W2.shape, generator=torch.Generator().manual_seed(2))
    labels = torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(3))
    flipped = torch.full((1, classes), 1 / classes).expand(rows, classes)
    return Evidence(_features(2_000), labels, _keys(rows), flipped, HeadWeights(W1, b1, W2, config))


def filed_features(folder: Path, rows: int) -> Standardised:
    """Rows as a project holds them: a mapped file of float16, standardised in memory beside it."""
    values = np.random.default_rng(0).standard_normal((rows, FEATURES), dtype=np.float32)
    np.save(folder / "features.npy", values.astype(np.float16))
    return Standardised.fit(np.load(folder / "features.npy", mmap_mode="r"))


def ridge_evidence(folder: Path, classes: int = 10) -> Evidence:
    """Real-sized features in a file of the folder, and probabilities of so many classes."""
    draw = torch.Generator().manual_seed(4)
    flipped = torch.randn(ROWS, classes, generator=draw).softmax(1)
    labels = torch.randint(0, classes, (ROWS,), generator=draw)
    return Evidence(filed_features(folder, ROWS), labels, _keys(ROWS), flipped)


def some_targets(evidence: Evidence, count: int, seed: int = 0) -> Targets:
    """Random targets with labels spread over the classes."""
    classes = evidence.flipped.shape[1]
    x = torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(100 + seed))
    proba = torch.full((count, classes), 1 / classes)
    return Targets(x, torch.arange(seed, seed + count) % classes, proba)


def training_rows() -> Rows:
    """50,000 rows of ten classes."""
    labels = torch.randint(0, 10, (ROWS,), generator=torch.Generator().manual_seed(5))
    return Rows(_features(ROWS), labels, _keys(ROWS))


def own_products(config: HeadConfig, batch: int, steps: int) -> None:
    """The matrix products of so many training steps, and nothing else."""
    x = torch.randn(batch, FEATURES)
    W1, _, W2 = initial_weights(config)
    h = torch.randn(config.members, batch, config.width)
    delta = torch.randn(config.members, batch, config.classes)
    shared = x.expand(config.members, -1, -1)
    for _ in range(steps):
        torch.bmm(shared, W1)
        torch.bmm(h, W2)  # the full network's logits
        torch.bmm(h, W2)  # the learned side's
        torch.bmm(h.transpose(1, 2), delta)
        torch.bmm(delta, W2.transpose(1, 2))
        torch.bmm(shared.transpose(1, 2), h)


def peak_reset() -> None:
    """Forget the highest resident memory so far (Linux)."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")


def resident(field: str) -> float:
    """VmRSS or VmHWM of this process, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) / 1024 for x in lines if x.startswith(field))


def measured_scan(rows: int, classes: int, rounds: int = 3) -> dict[str, float]:
    """Seconds (best of a few) and MB above the start of a scan, after a short warm-up."""
    evidence = head_evidence(rows, classes)
    query = estimator("turnover").prepare(evidence).query(some_targets(evidence, 1))
    scan(query, 256, k=20)
    peak_reset()
    before, times = resident("VmRSS"), []
    for _ in range(rounds):
        start = time.perf_counter()
        scan(query, rows, k=20)
        times.append(time.perf_counter() - start)
    return {"seconds": min(times), "mb": resident("VmHWM") - before}


if __name__ == "__main__":
    shapes = {"memory": (ROWS, 10), "small": (ROWS, 2), "million": (BIG, 2)}
    print(json.dumps(measured_scan(*shapes[sys.argv[1]], rounds=5)))
