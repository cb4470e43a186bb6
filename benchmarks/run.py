"""`python -m benchmarks`: one table against the field, written to benchmarks/RESULTS.md.

    python -m benchmarks                             # digits, fashion, reviews
    python -m benchmarks --sets digits my/project --subsets 100 --no-peers

Every method runs in a process of its own (`process`). Peers that are not installed are listed as
such; `make benchmark` installs them and runs this.
"""

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks import nearest_peers, ours, peers
from benchmarks.label_table import label_table
from benchmarks.process import Measured, Method, measure
from benchmarks.results import PATH as RESULTS
from benchmarks.results import write_field
from benchmarks.task import DROPPED, Task, make_task
from benchmarks.verdict import (
    DEFAULT,
    DIGITS,
    LEAN_RUN,
    Line,
    against_peers,
    ceiling_share,
    digits_limits,
    parts,
)
from influence_core.evaluation.lds import Interval, lds, noise_ceiling

HERE = Path(__file__).parent
SAMPLES = HERE.parent / "sample_data"
PACKAGES = (
    "torch",
    "captum",
    "annoy",
    "traker",
    "kronfluence",
    "dualxda",
    "bergson",
    "cleanlab",
    "numba",
    "scikit-learn",
)
SUBSETS = {"digits": 300}  # other sets: 200

OURS: dict[str, Method] = {
    "turnover 16 x 256": partial(ours.estimator, name="turnover"),
    "turnover 16 x 1024": partial(ours.estimator, name="turnover", width=1024),
    DEFAULT: partial(ours.estimator, name="flipped-ridge"),
    LEAN_RUN: partial(ours.estimator, name="flipped-ridge", size="lean"),
    "replay": partial(ours.estimator, name="replay"),
    "ridge and replay together": partial(ours.estimator, name="together"),
    "flipped-kernel": partial(ours.estimator, name="flipped-kernel"),
    "flipped-cosine": partial(ours.estimator, name="flipped-cosine"),
    "gradient (16 members)": partial(ours.estimator, name="gradient"),
    "similarity": partial(ours.estimator, name="similarity"),
    "datamodel, same retrainings": ours.datamodel,
}
PEERS: dict[str, Method] = {
    "Captum TracInCPFast": partial(peers.captum, kind="TracInCPFast"),
    "Captum TracInCP": partial(peers.captum, kind="TracInCP"),
    "Captum TracInCPFastRandProj": partial(peers.captum, kind="TracInCPFastRandProj"),
    "TRAK, 1 model, default": partial(peers.trak, models=1),
    "TRAK, 1 model, λ 100": partial(peers.trak, models=1, ridge=100.0),
    "TRAK, 4 models, λ 10": partial(peers.trak, models=4, ridge=10.0),
    "TRAK, 4 models, λ 100": partial(peers.trak, models=4, ridge=100.0),
    "TRAK, 10 models, λ 100": partial(peers.trak, models=10, ridge=100.0),
    "kronfluence EK-FAC, default": partial(peers.kronfluence, damping=1e-8),
    "kronfluence EK-FAC, damping 0.01": partial(peers.kronfluence, damping=1e-2),
    "kronfluence EK-FAC, damping 0.1": partial(peers.kronfluence, damping=1e-1),
    "DualDA, default": partial(nearest_peers.dualda, strength=1.0),
    "DualDA, C 0.01": partial(nearest_peers.dualda, strength=1e-2),
    "DualDA, C 0.001": partial(nearest_peers.dualda, strength=1e-3),
    "DualDA, C 0.0001": partial(nearest_peers.dualda, strength=1e-4),
    "Bergson MAGIC, 1 member": nearest_peers.magic,
}


def compare(task: Task, methods: dict[str, Method], threads: int) -> list[Line]:
    """Run every method on the task."""
    lines = []
    for name, method in methods.items():
        found = measure(method, task, threads)
        if isinstance(found, Measured):
            values = lds(found.scores.astype(np.float64) @ task.weights, task.losses)
            lines.append(Line(name, name in PEERS, values, found, same=same_model(task, found)))
        else:
            lines.append(Line(name, name in PEERS, None, None, found))
        print(row(lines[-1], task.wrong), flush=True)
    return lines


def same_model(task: Task, found: Measured) -> np.ndarray | None:
    """LDS (shares, T) of *this model*: the mean of those members of it that the method reads."""
    if task.own is None or task.kept is None or not found.members:
        return None
    losses = task.own[:, : found.members].mean(1)  # (S, T)
    sums = found.scores.astype(np.float64) @ task.kept
    shares = np.split(np.arange(len(losses)), len(DROPPED))
    return np.stack([lds(sums[:, part], losses[part]) for part in shares])


def row(line: Line, wrong: int) -> dict[str, str]:
    """A line as the table shows it."""
    shown = {"method": line.name}
    for kind, part in parts(wrong).items():
        shown[f"LDS {kind}"] = "" if line.lds is None else str(line.interval(part))
    for number, share in enumerate(DROPPED):
        known = [] if line.same is None else [line.same[number, p] for p in parts(wrong).values()]
        shown[f"this model, {share:.0%}"] = " / ".join(f"{Interval.of(v).mean:.2f}" for v in known)
    if line.cost is not None:
        cost = line.cost
        shown |= {
            "training s": f"{cost.training:.2f}",
            "set-up s": f"{cost.setup:.2f}",
            "ms per target": f"{1000 * cost.batch / len(cost.scores):.2f}",
            "ms for one alone": f"{1000 * cost.alone:.1f}",
            "total s": f"{cost.total:.2f}",
            "peak MB": f"{cost.peak:.0f}",
        }
    return shown | {"note": line.note}


def markdown(table: pd.DataFrame) -> str:
    shown = table.fillna("")
    lines = ["| " + " | ".join(shown.columns) + " |", "|" + "---|" * len(shown.columns)]
    for _, cells in shown.iterrows():
        texts = (f"{v:.3f}" if isinstance(v, float) else str(v) for v in cells)
        lines.append("| " + " | ".join(texts) + " |")
    return "\n".join(lines)


def section(name: str, subsets: int, same: int, methods: dict[str, Method], threads: int) -> str:
    start = time.perf_counter()
    task = make_task(name, subsets, same=same)
    truth = time.perf_counter() - start
    print(f"{task.name}: truth in {truth:.0f} s", flush=True)
    ceiling = noise_ceiling(task.losses, task.second)
    lines = compare(task, methods, threads)
    mine = {line.name: line for line in lines}
    checks = digits_limits(lines, task.wrong) if task.name == "digits" else []
    checks += ceiling_share(mine[DEFAULT], ceiling, task.wrong)
    for which in (DEFAULT, LEAN_RUN):
        checks += against_peers(mine[which], lines, task.wrong)
    rows = [row(line, task.wrong) for line in lines]
    rows.append(row(Line("noise ceiling", False, ceiling, None), task.wrong))
    text = (
        f"## {task.name}\n\n{len(task.labels)} rows x {task.X.shape[1]} features, {task.classes} "
        f"classes, {task.epochs} epochs. Truth: {subsets} retrainings of a 1 x 256 head on halves, "
        f"and as many again for the ceiling ({truth:.0f} s); {task.wrong} misclassified and "
        f"{len(task.yt) - task.wrong} random targets. This model: {same} retrainings from its own "
        f"start for each share of rows left out.\n\n{markdown(pd.DataFrame(rows))}\n\n"
        + "".join(f"- {check}\n" for check in checks)
    )
    print("\n".join(checks), flush=True)
    labels = label_table(task)
    if task.bad is not None and len(labels):
        text += f"\nLabels known to be wrong: {int(task.bad.sum())}.\n\n{markdown(labels)}\n"
    return text


def preamble(arguments: list[str], threads: int) -> str:
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
        f"{threads} thread{'s' * (threads > 1)} a method, Python {platform.python_version()}; "
        f"{', '.join(versions)}.\n\n"
        "LDS is the mean over targets ± half a 95 % interval (Student), of models trained like "
        "the one that is read, on halves. *This model* is that very model retrained from its own "
        "start without so many of its rows, misclassified / random targets; a method is held "
        "against the members that it reads (DualDA, which reads none, and ours: all 16; others: "
        "the first, or as many as they have models). Imports, compilation and "
        "first calls are nobody's cost: every method runs once on 128 rows before it is timed. "
        "Training is that of the models that a method reads, total s is training, set-up and all "
        "targets. The lean run is `turnover train --size lean`, with half the epochs of the "
        "others. Peak memory is what the method's process used beyond its state after the first "
        "run. Every cost is measured once: where other work ran beside it, single figures are "
        "too high. Our λ, temperature and landmarks are the defaults, chosen on digits and on "
        "movie sentences (docs/estimators.md). Peers are shown at their defaults and tuned on this "
        "very truth (TRAK's λ and number of models, kronfluence's damping, DualDA's C), in their "
        "favour. "
        "Bergson is given the first member of our head and, as it goes back through the training "
        f"for each target, {nearest_peers.MAGIC_TARGETS} targets of each kind. "
        "dattri 0.3.0 is left out: it installs stray top-level packages and its EK-FAC mixes up "
        "layers with a bias.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    defaults = ["digits", str(SAMPLES / "fashion"), str(SAMPLES / "reviews")]
    parser.add_argument("--sets", nargs="+", default=defaults, help="digits or project folders")
    parser.add_argument("--subsets", type=int, help="retrainings on halves; 300 on digits, 200")
    parser.add_argument("--same", type=int, default=12, help="retrainings of this model a share")
    parser.add_argument("--methods", nargs="+", help="only those whose name holds one of these")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="a method")
    parser.add_argument("--no-peers", action="store_true", help="ours only")
    parser.add_argument("--out", type=Path, default=RESULTS)
    chosen = parser.parse_args()
    os.environ |= {"TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}  # of the methods' processes
    methods = OURS if chosen.no_peers else {**OURS, **PEERS}
    if chosen.methods:
        wanted = (*DIGITS, LEAN_RUN, *chosen.methods)  # the checks need the first ones
        methods = {n: m for n, m in methods.items() if any(part in n for part in wanted)}
    text = preamble(sys.argv[1:], chosen.threads)
    for name in chosen.sets:
        subsets = chosen.subsets or SUBSETS.get(name, 200)
        text += "\n" + section(name, subsets, chosen.same, methods, chosen.threads)
        if chosen.out == RESULTS:
            write_field(text)
        else:
            chosen.out.write_text(text, encoding="utf-8")
