"""`python -m benchmarks`: one table against the field, written to benchmarks/RESULTS.md.

    python -m benchmarks                             # digits, fashion, reviews
    python -m benchmarks --sets digits my/project --subsets 100 --no-peers

Every method runs in a process of its own, so its peak memory is its own too. Peers that are not
installed are listed as such; `pip install -e ".[benchmark]"` installs them.
"""

import argparse
import multiprocessing as mp
import platform
import resource
import sys
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import ours, peers
from benchmarks.label_table import label_table
from benchmarks.task import Task, make_task
from influence_core.evaluation.lds import Interval, lds, noise_ceiling

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "sample_data"
PACKAGES = ("torch", "captum", "traker", "kronfluence", "cleanlab", "numba", "scikit-learn")

OURS: dict[str, Callable[[Task], Any]] = {
    "turnover 16 x 256": partial(ours.estimator, name="turnover"),
    "turnover 16 x 1024": partial(ours.estimator, name="turnover", width=1024),
    "flipped-ridge": partial(ours.estimator, name="flipped-ridge"),
    "flipped-kernel": partial(ours.estimator, name="flipped-kernel"),
    "flipped-cosine": partial(ours.estimator, name="flipped-cosine"),
    "gradient (16 members)": partial(ours.estimator, name="gradient"),
    "similarity": partial(ours.estimator, name="similarity"),
    "datamodel, same retrainings": ours.datamodel,
}
DAMPING = {"default": 1e-8, "0.01": 1e-2, "0.1": 1e-1}
PEERS: dict[str, Callable[[Task], Any]] = {
    **{f"Captum {k}": partial(peers.captum, kind=k) for k in ("TracInCPFast", "TracInCP")},
    "Captum TracInCPFastRandProj": partial(peers.captum, kind="TracInCPFastRandProj"),
    "TRAK, 1 model": partial(peers.trak, models=1),
    "TRAK, 4 models": partial(peers.trak, models=4),
    **{
        f"kronfluence EK-FAC, damping {name}": partial(peers.kronfluence, damping=value)
        for name, value in DAMPING.items()
    },
}


def work(pipe: Any, method: Callable[[Task], Any], task: Task, threads: int) -> None:
    torch.set_num_threads(threads)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        scores, setup, each = method(task)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        pipe.send((np.asarray(scores), setup, each, peak / 1024))
    except ImportError as error:
        pipe.send(f"not installed ({error.name})")
    except Exception as error:
        traceback.print_exc()
        pipe.send(f"failed: {type(error).__name__}: {str(error)[:80]}")


def measure(name: str, method: Callable[[Task], Any], task: Task) -> dict[str, Any]:
    """Run one method in a process of its own."""
    here, there = mp.get_context("spawn").Pipe()
    child = mp.get_context("spawn").Process(
        target=work, args=(there, method, task, torch.get_num_threads())
    )
    child.start()
    there.close()
    try:
        answer = here.recv()
    except EOFError:
        answer = "failed: the process died"
    child.join()
    if isinstance(answer, str):
        return {"method": name, "note": answer}
    scores, setup, each, peak = answer
    values = lds(scores.astype(np.float64) @ task.weights, task.losses)
    wrong, random = Interval.of(values[: task.wrong]), Interval.of(values[task.wrong :])
    return {
        "method": name,
        "LDS misclassified": str(wrong),
        "LDS random": str(random),
        "set-up s": f"{setup:.1f}",
        "ms per target": f"{1000 * each:.2f}",
        "peak MB": f"{peak:.0f}",
        "note": "",
    }


def markdown(table: pd.DataFrame) -> str:
    shown = table.fillna("")
    head = "| " + " | ".join(shown.columns) + " |"
    lines = [head, "|" + "---|" * len(shown.columns)]
    for _, row in shown.iterrows():
        cells = (f"{v:.3f}" if isinstance(v, float) else str(v) for v in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def section(name: str, subsets: int, methods: dict[str, Callable[[Task], Any]]) -> str:
    start = time.perf_counter()
    task = make_task(name, subsets)
    ceiling = noise_ceiling(task.losses, task.second)
    print(f"{task.name}: truth in {time.perf_counter() - start:.0f} s", flush=True)
    lines = []
    for title, method in methods.items():
        lines.append(measure(title, method, task))
        print(lines[-1], flush=True)
    wrong, random = Interval.of(ceiling[: task.wrong]), Interval.of(ceiling[task.wrong :])
    lines.append(
        {"method": "noise ceiling", "LDS misclassified": str(wrong), "LDS random": str(random)}
    )
    text = (
        f"## {task.name}\n\n{len(task.labels)} rows x {task.X.shape[1]} features, {task.classes} "
        f"classes, {task.epochs} epochs; truth: {subsets} retrainings of a 1 x 256 head on halves; "
        f"{task.wrong} misclassified and {len(task.yt) - task.wrong} random targets.\n\n"
        f"{markdown(pd.DataFrame(lines))}\n"
    )
    labels = label_table(task)
    if len(labels):
        text += f"\nKnown wrong labels: {int(task.bad.sum())}.\n\n{markdown(labels)}\n"
    return text


def preamble(arguments: list[str]) -> str:
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} not installed")
    command = " ".join(["python -m benchmarks", *arguments])
    return (
        "# Benchmarks\n\n"
        f"Written by `{command}` on {datetime.now(UTC):%Y-%m-%d}; {platform.machine()}, "
        f"{torch.get_num_threads()} threads, Python {platform.python_version()}; "
        f"{', '.join(versions)}.\n\n"
        "LDS is the mean over targets ± half a 95 % interval (Student). Set-up includes training "
        "the models a method needs; peak memory is what the method's process used beyond its "
        "start. Our λ, temperature and landmarks are the defaults, chosen on digits and on movie "
        "sentences (docs/estimators.md); kronfluence is shown at its default damping and at two "
        "others, so its best is in the table too. dattri 0.3.0 is left out: it installs stray "
        "top-level packages and its EK-FAC mixes up layers with a bias.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    defaults = ["digits", str(SAMPLES / "fashion"), str(SAMPLES / "reviews")]
    parser.add_argument("--sets", nargs="+", default=defaults, help="digits or project folders")
    parser.add_argument("--subsets", type=int, default=200, help="retrainings on halves")
    parser.add_argument("--no-peers", action="store_true", help="ours only")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    chosen = parser.parse_args()
    methods = OURS if chosen.no_peers else {**OURS, **PEERS}
    text = preamble(sys.argv[1:])
    for name in chosen.sets:
        text += "\n" + section(name, chosen.subsets, methods)
        chosen.out.write_text(text, encoding="utf-8")
