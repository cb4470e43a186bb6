"""What a scan, a judge and a training cost, each beside a bare matrix product of its own shape.

    python -m benchmarks.scan [--only turnover,ridge,memory,million,judge,training,captum]

Both sides of a ratio take turns, so that a busy machine slows both; the median of several counts.
Prints a table and appends it, with the machine and the versions, to `benchmarks/scan.md`; a run of
all cases also becomes the second part of `benchmarks/RESULTS.md`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numba
import numpy as np
import torch

from benchmarks.results import write_scans
from benchmarks.scan_cases import (
    BIG,
    ROWS,
    head_evidence,
    own_products,
    ridge_evidence,
    some_targets,
    training_rows,
)
from influence_core.influence import estimator
from influence_core.influence.scan import mean_influence, scan
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig

HEADER = "| case | measured | ratio | required | met |\n|---|---|---|---|---|"
JUDGED, SINGLE = 1_000, 12
# Threads of matrix libraries spin on their core for some 20 ms after a product, at the cost of
# whoever comes next, and an idle core wakes slowly: a turn begins with a rest and a few calls that
# do not count.
_REST, _FIRST, _COUNTED = 0.05, 5, 5
OUT = Path(__file__).with_suffix(".md")


def both(first: Callable[[], object], second: Callable[[], object], rounds: int = 9) -> list[float]:
    """Median seconds of the two, measured in turns after one unmeasured round.

    Short work is done several times a turn.
    """
    took: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for work, times in zip((first, second), took, strict=True):
            time.sleep(_REST)
            alone = _seconds(work)
            if turn and alone > 1:
                times.append(alone)
            elif turn:
                more = [_seconds(work) for _ in range(_FIRST + _COUNTED - 1)]
                times.extend(more[-_COUNTED:])
    return [statistics.median(times) for times in took]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def line(case: str, measured: str, ratio: float | None, required: str, met: bool | None) -> str:
    """One row of the table."""
    shown = "" if ratio is None else f"{ratio:.2f} x"
    word = "" if met is None else ("yes" if met else "**no**")
    return f"| {case} | {measured} | {shown} | {required} | {word} |"


def turnover() -> list[str]:
    """One target against a GEMM of (N, units) by (units, classes)."""
    evidence = head_evidence(ROWS, 10)
    query = estimator("turnover").prepare(evidence).query(some_targets(evidence, 1))
    bits, table = torch.rand(ROWS, 4096), torch.rand(4096, 10)
    ours, bare = both(lambda: scan(query, ROWS, k=20), lambda: bits @ table)
    told = f"{1000 * ours:.0f} ms; GEMM {1000 * bare:.0f} ms"
    case = "turnover, N = 50,000, 16 x 256, 10 classes, one target"
    return [
        line(case, told, ours / bare, "<= 0.8 x", ours <= 0.8 * bare),
        line("the same, seconds", f"{ours:.3f} s", None, "<= 0.2 s", ours <= 0.2),
    ]


def ridge() -> list[str]:
    """One target against a matrix-vector product, and against the product of its own shape."""
    with tempfile.TemporaryDirectory() as folder:
        return [row for classes in (2, 10) for row in _ridge(Path(folder), classes)]


def _ridge(folder: Path, classes: int) -> list[str]:
    evidence = ridge_evidence(folder, classes)
    query = estimator("flipped-ridge").prepare(evidence).query(some_targets(evidence, 1))
    x = evidence.features.rows(torch.arange(ROWS))
    case = f"flipped-ridge, N = 50,000 x 384, {classes} classes, one target, against "
    lines = []
    for name, bare in products(x, classes).items():
        ours, alone = both(lambda: scan(query, ROWS, k=20), bare, 25)
        told = f"{1000 * ours:.1f} ms; product {1000 * alone:.1f} ms"
        lines.append(line(case + name, told, ours / alone, "<= 1.5 x", ours <= 1.5 * alone))
    return lines


def products(x: torch.Tensor, classes: int) -> dict[str, Callable[[], object]]:
    """Bare products by two libraries: with one vector, and with one for each class."""
    w, W = torch.rand(x.shape[1]), torch.rand(x.shape[1], classes)
    a, b, B = x.numpy(), w.numpy(), W.numpy()
    found: dict[str, Callable[[], object]] = {
        "a matrix-vector product by torch": lambda: x @ w,
        "a matrix-vector product by NumPy": lambda: a @ b,
    }
    if classes > 2:
        found["(N, d) x (d, C) by torch"] = lambda: x @ W
        found["(N, d) x (d, C) by NumPy"] = lambda: a @ B
    return found


def fresh(name: str) -> dict[str, float]:
    """What a case measures in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.scan_cases", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return {key: float(value) for key, value in json.loads(done.stdout).items()}


def memory() -> list[str]:
    """Peak memory of a scan above what the process holds before it."""
    mb = fresh("memory")["mb"]
    return [line("the same, top 20 both ways, memory above the model's", f"{mb:.0f} MB", None,
                 "<= 64 MB", mb <= 64)]  # fmt: skip


def million() -> list[str]:
    """A million rows against fifty thousand."""
    small, big = fresh("small"), fresh("million")
    ratio = big["seconds"] / small["seconds"]
    told = f"{big['seconds']:.2f} s; {1000 * small['seconds']:.0f} ms at 50,000"
    return [
        line("turnover, N = 1,000,000, 2 classes, one target", told, ratio, "<= 22 x", ratio <= 22),
        line("the same, memory above the model's and the keys", f"{big['mb']:.0f} MB", None,
             "<= 300 MB", big["mb"] <= 300),
    ]  # fmt: skip


def judge() -> list[str]:
    """Mean influence on 1,000 targets against as many single queries."""
    lines = []
    for classes in (2, 10):
        evidence = head_evidence(ROWS, classes)
        prepared = estimator("turnover").prepare(evidence)
        one = [some_targets(evidence, 1, seed) for seed in range(SINGLE)]

        def alone(prepared=prepared, one=one) -> None:
            for target in one:
                mean_influence(prepared.query(target), ROWS)

        many = some_targets(evidence, JUDGED)
        single, together = both(
            alone, lambda p=prepared, m=many: mean_influence(p.query(m), ROWS), 1
        )
        whole = single * JUDGED / SINGLE
        told = f"{together:.1f} s; {SINGLE} single queries x {JUDGED / SINGLE:.0f}: {whole:.0f} s"
        lines.append(line(f"judge of 1,000 targets x 50,000 rows, {classes} classes", told,
                          whole / together, ">= 5 x faster", whole >= 5 * together))  # fmt: skip
    return lines


def training() -> list[str]:
    """Three epochs against their own matrix products."""
    rows, config = training_rows(), HeadConfig(384, 10, members=16, width=256)
    how = HeadTraining(epochs=3)
    batch = how.batch_for(ROWS)
    steps = 3 * -(-ROWS // batch)
    ours, bare = both(
        lambda: fit_heads(rows, config, how), lambda: own_products(config, batch, steps), 2
    )
    told = f"{ours:.1f} s; its GEMMs {bare:.1f} s ({steps} steps of {batch})"
    return [line("training 16 x 256 on 50,000 x 384, 3 epochs, 10 classes", told, ours / bare,
                 "<= 2 x", ours <= 2 * bare)]  # fmt: skip


def captum() -> list[str]:
    """Captum on the same head, rows and target, for comparison."""
    try:
        from benchmarks.scan_captum import timings
    except ImportError as error:
        return [line("Captum TracInCPFast and RandProj", f"not installed ({error.name})", None, "",
                     None)]  # fmt: skip
    return [line(name, told, None, "", None) for name, told in timings(head_evidence(ROWS, 10))]


LIMITS = """
**Where the time goes.** A turn-over scan of one target reads 32 table lines a row and member and
is bound by the vector unit. The judge multiplies the same lines for 8 to 64 targets at once:
hashing is shared and costs nothing beside them; half of a word's tables fit the first cache,
lines are whole vectors that begin where a cache line does (before, each load took two), and 8,192
rows share a table. What is left is the multiplication itself, one a lookup, class and target;
then two divisions and a logarithm a row and member. The ridge waits for memory: it reads each
feature once for all classes, as the project's file has it (float16, which halves the bytes; the
weights are standardised instead), and asks 12 kB ahead. With ten classes the multiplications are
the larger part. The rest of a scan is waking a second thread for each of four chunks, which Linux
here put on the core of the first until helpers were kept off it. Ten classes against NumPy's
product with one vector gave 1.1 to 1.6 from run to run, mostly 1.2 to 1.5. Training is its
products, then Adam, masks and passes over the hidden units.
"""
ALL = (turnover, memory, ridge, million, judge, training, captum)
CASES = {case.__name__: case for case in ALL}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(CASES))
    names = parser.parse_args().only.split(",")
    lines, load = [HEADER], os.getloadavg()[0]
    print(HEADER)
    for name in names:
        for row in CASES[name]():
            print(row, flush=True)
            lines.append(row)
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    about = (
        f"{platform.machine()}, {torch.get_num_threads()} threads, {memory_gb:.0f} GB; Python "
        f"{platform.python_version()}, torch {torch.__version__}, numba {numba.__version__}, NumPy "
        f"{np.__version__}. Load before the run: {load:.1f}. {BIG:,} and {ROWS:,} rows.\n\n"
    )
    table = "\n".join(lines) + "\n"
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    with OUT.open("a") as file:
        file.write(f"\n## {when}\n\n`--only {','.join(names)}`; {about}{table}")
    if names == list(CASES):
        title = f"\n# Scans, judge and training\n\nWritten by `python -m benchmarks.scan`, {when}; "
        write_scans(f"{title}{about}{table}{LIMITS}")


if __name__ == "__main__":
    main()
