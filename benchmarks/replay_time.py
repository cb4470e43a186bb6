"""`python -m benchmarks.replay_time`: what replay costs, as a multiple of the training it replays.

    python -m benchmarks.replay_time                     # 5,000 rows x 384, lean and standard
    python -m benchmarks.replay_time --large             # 50,000 rows x 384, lean, as well

One training and all passes of one run, in turn; the median of three counts (of what takes long,
one). Busy machines stretch seconds, so ratios are of the process's CPU seconds; seconds by the
clock stand beside them. `first` records the training once more, `next` finds it recorded. Writes
benchmarks/replay_time.md.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks.task import raw
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.estimators.replay import ROOM
from influence_core.influence.sides import both_sides
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.presets import preset
from influence_core.training.heads.tape import Tape
from influence_core.training.heads.types import Rows
from influence_core.turnover.head import HeadConfig
from influence_core.turnover.masks import as_keys

OUT = Path(__file__).with_suffix(".md")
FEATURES, EPOCHS, SPLIT = 384, 5, 2000
LIMITS = {  # of the ratio, or of seconds or MB
    "first item, trainings": 2.0,
    "next item, trainings": 2.0,
    "items in one pass, of as many single ones": 0.45,  # asked for 50
    "judge of 2,000 items, trainings": 4.0,
    "recorded, MB": 512.0,
}


def rows_of(n: int, d: int = FEATURES, seed: int = 0) -> tuple[Rows, torch.Tensor, torch.Tensor]:
    """Two classes that overlap; rows, targets (2000, d) and their labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n + SPLIT)
    X = rng.normal(size=(n + SPLIT, d)).astype(np.float32)
    X[:, :40] += 0.3 * (2 * y[:, None] - 1)
    keys = as_keys(np.arange(n, dtype=np.uint64) + 1000)
    labels = torch.from_numpy(y)
    return Rows(raw(X[:n]), labels[:n], keys), torch.from_numpy(X[n:]), labels[n:]


def timed(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Median (CPU, wall) seconds."""
    found = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    middle = np.median(np.array(found), axis=0)
    return float(middle[0]), float(middle[1])


def kept_bytes(tape: Tape) -> int:
    """What a recorded training takes: states at anchors, batches inside, and gradients."""
    states = [t for s in tape.anchors for group in (s.params, s.first, s.second) for t in group]
    records = [t for own in tape.records.values() for t in (own.h, own.full, own.W2)]
    gradients = [t for own in tape.gradients.values() for t in own]
    return sum(t.numel() * t.element_size() for t in states + records + gradients)


def measure(n: int, size: str, epochs: int, many: int, times: int) -> dict[str, object]:
    """One column of the table: `many` items go through one pass."""
    rows, x, y = rows_of(n)
    shape = preset(size)
    config = HeadConfig(FEATURES, 2, shape.members, shape.width)
    training = shape.training(n, epochs)
    fit = fit_heads(rows, config, training)  # compiles, and counts for nothing
    cpu, wall = timed(lambda: fit_heads(rows, config, training), times)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    flipped = torch.from_numpy(both_sides(rows.features, rows.labels, rows.keys, head).flipped)
    evidence = Evidence(rows.features, rows.labels, rows.keys, flipped, head, training)
    targets = Targets(x, y, head.proba(x))

    def some(count: int) -> Targets:
        return Targets(x[:count], y[:count], targets.proba[:count])

    def ask(prepared: object, count: int) -> None:
        prepared.query(some(count)).scores(slice(0, n))

    line: dict[str, object] = {"rows": n, "run": size, "steps": 0, "training, s": wall}
    line["training, CPU s"] = cpu
    ask(ESTIMATORS["flipped-ridge"].prepare(evidence), 1)
    ridge = timed(lambda: ask(ESTIMATORS["flipped-ridge"].prepare(evidence), 1), times)
    line["ridge's list, s"] = ridge[1]
    ask(ESTIMATORS["replay"].prepare(evidence), 1)
    first, seconds = timed(lambda: ask(ESTIMATORS["replay"].prepare(evidence), 1), times)
    line |= {"first item, s": seconds, "first item, CPU s": first}
    line["first item, trainings"] = first / cpu
    prepared = ESTIMATORS["replay"].prepare(evidence)
    ask(prepared, 1)
    tapes = list(prepared.tapes.values())
    line["steps"] = len(tapes[0].batches)
    line["recorded, MB"] = sum(map(kept_bytes, tapes)) / 2**20
    one, seconds = timed(lambda: ask(prepared, 1), times)
    line |= {"next item, s": seconds, "next item, trainings": one / cpu}
    pack, seconds = timed(lambda: ask(prepared, many), 1)
    line |= {"items in one pass": many, "items in one pass, s": seconds}
    line["items in one pass, of as many single ones"] = pack / (many * one)
    whole = ESTIMATORS["replay"].prepare(evidence)
    judge, seconds = timed(lambda: whole.mean(targets, None, None), 1)
    line |= {"judge of 2,000 items, s": seconds, "judge of 2,000 items, trainings": judge / cpu}
    return line


def shown(name: str, value: object) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    if name in LIMITS and isinstance(value, float):
        text += f" (<= {LIMITS[name]:g}: {'met' if value <= LIMITS[name] else '**missed**'})"
    return text


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay_time", description=__doc__)
    parser.add_argument("--large", action="store_true", help="50,000 rows, lean, 3 epochs, too")
    parser.add_argument("--sizes", nargs="*", default=["lean", "standard"])
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of 5,000 rows")
    parser.add_argument("--many", type=int, default=50, help="items in one pass")
    parser.add_argument("--times", type=int, default=3, help="each is measured; the median counts")
    asked = parser.parse_args()
    lines = []
    plan = [(5000, size, asked.epochs) for size in asked.sizes]
    for n, size, epochs in plan + [(50_000, "lean", 3)] * asked.large:
        lines.append(measure(n, size, epochs, asked.many, asked.times))
        print(lines[-1], flush=True)
    write(lines)


def write(lines: list[dict[str, object]]) -> None:
    table = ["| what | " + " | ".join(f"{a['rows']:,} rows, {a['run']}" for a in lines) + " |"]
    table.append("|" + "---|" * (len(lines) + 1))
    for name in lines[0]:
        if name not in ("rows", "run"):
            table.append(f"| {name} | " + " | ".join(shown(name, a[name]) for a in lines) + " |")
    OUT.write_text(
        "# What replay costs\n\n`python -m benchmarks.replay_time`: rows of 384 features, two "
        f"classes, {torch.get_num_threads()} threads; ratios of CPU seconds within one run, "
        f"seconds by the clock. A recording may take {ROOM >> 20} MB; what does not fit is trained "
        "again.\n\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
