"""What `turnover` says before long work, beside what the work then took: time and memory.

    python -m benchmarks.estimates [--rows 30000] [--only TEXT]

The rates are measured first, as a verb would; then each case runs once, in a fresh process. Memory
is the highest anonymous memory of that process above what it held before the work (Linux). Prints a
table and appends it, with the machine, to `benchmarks/estimates.md`. Required: both within a factor
of two, except work of less than 3 s and 200 MB, of which nobody is told.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
import tiny
from big_project import big_project

from influence_core.store.project import Project
from influence_core.training.networks.registry import build_network
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.cleanse.cleansings import newest_cleansing, save_cleansing
from influence_core.workflow.cleanse.find_harm import CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit, target_items
from influence_core.workflow.cleanse.trials import run_trial
from influence_core.workflow.costs.estimate import Estimate, Rates
from influence_core.workflow.costs.networks import pace
from influence_core.workflow.costs.networks import training_estimate as network_estimate
from influence_core.workflow.costs.rates import encode_rate, head_rates
from influence_core.workflow.evaluate.evaluate import evaluate
from influence_core.workflow.evaluate.work import EvaluateOptions
from influence_core.workflow.expected import (
    cleansing_estimate,
    evaluation_estimate,
    in_fresh_process,
    training_estimate,
    trial_estimate,
)
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, encode, train
from influence_core.workflow.train.network import NetworkOptions, network_settings, train_network

OUT = Path(__file__).with_suffix(".md")
HEADER = "| work | said | took | time | memory | within 2 x |\n|---|---|---|---|---|---|"
HEAD = TrainOptions(epochs=3, device="cpu")
LEAN = TrainOptions(members=8, width=32, size="lean", epochs=3, device="cpu")
Case = tuple[Estimate, Callable[[], object]]  # what is said, and the work
SHORT, LITTLE = 3, 200 << 20  # seconds and bytes that nobody needs to be told


def own_memory() -> int:
    """Anonymous memory of this process, bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) << 10 for x in lines if x.startswith("RssAnon"))


def measured(work: Callable[[], object]) -> Estimate:
    """Seconds and peak bytes of a call."""
    before = peak = own_memory()
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.02):
            peak = max(peak, own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    over.set()
    watcher.join()
    return Estimate(seconds, max(peak, own_memory()) - before)


def rates() -> Rates:
    """Of this machine, measured at the first call."""
    found = head_rates("cpu")
    assert found is not None
    return found


def prepare(home: Path, rows: int) -> None:
    """The projects that the cases open, and the device's rates."""
    texts = tiny.project(home / "texts", 2_000)
    rates()
    encode_rate(texts, "cpu")
    big_project(home / "big", rows, 10, options=HEAD)
    small = open_session(big_project(home / "small", 3_000, 4, options=HEAD), device="cpu")
    save_cleansing(small, find_harm(small, CleanseOptions(TargetSplit("test"), by="fraction")))


def encoding(home: Path) -> Case:
    """MiniLM on 2,667 sentences."""
    project = Project.open(home / "texts")
    fast = replace(rates(), encode=encode_rate(project, "cpu") or 0.0)
    told = training_estimate(fast, project, TrainOptions(epochs=1, members=1, width=2))
    return told, lambda: encode(project, device="cpu")


def training(home: Path) -> Case:
    """16 x 256, 3 epochs."""
    project = Project.open(home / "big")
    return training_estimate(rates(), project, HEAD), lambda: train(project, HEAD)


def lean(home: Path) -> Case:
    """8 x 32 in few steps, 3 epochs."""
    project = Project.open(home / "big")
    return training_estimate(rates(), project, LEAN), lambda: train(project, LEAN)


def judged(home: Path, name: str) -> Case:
    """Every test item judges."""
    session = open_session(Project.open(home / "big"), device="cpu")
    question = CleanseOptions(TargetSplit("test"), estimator=name, by="fraction")
    items = len(target_items(session, question.target))
    told = cleansing_estimate(rates(), session, question, items)
    return told, lambda: find_harm(session, question)


def rounds(home: Path) -> Case:
    """3,000 rows in rounds to 4 %."""
    session = open_session(Project.open(home / "small"), device="cpu")
    question = CleanseOptions(TargetSplit("test"), drop=0.04)
    items = len(target_items(session, question.target))
    told = cleansing_estimate(rates(), session, question, items)
    return told, lambda: find_harm(session, question)


def trial(home: Path) -> Case:
    """3,000 rows, 10 seeds."""
    session = open_session(Project.open(home / "small"), device="cpu")
    name = newest_cleansing(session.project)
    return trial_estimate(rates(), session, 10), lambda: run_trial(session, name, seeds=10)


def evaluation(home: Path) -> Case:
    """3,000 rows, all stages that retrain."""
    session = open_session(Project.open(home / "small"), device="cpu")
    some = EvaluateOptions(what=("lds", "removal", "loo", "planted"))
    told = evaluation_estimate(rates(), session, some)
    return told, lambda: evaluate(session, some)


TUNED = NetworkOptions("minilm", training=NetworkTraining(epochs=1, device="cpu"))


def tuned(project: Project) -> Estimate:
    """What the verb says of fine-tuning."""
    network = build_network(network_settings(project, TUNED), root=project.root)
    rows = {name: network.rows(split) for name, split in project.dataset.splits.items()}
    own = pace(network.model, rows["train"], TUNED.training)
    return network_estimate(own, {name: len(r) for name, r in rows.items()}, TUNED.training)


def finetuned(home: Path) -> Case:
    """MiniLM as a whole, one epoch."""
    project = Project.open(home / "texts")
    return tuned(project), lambda: train_network(project, TUNED)


CASES: dict[str, Callable[[Path], Case]] = {
    "encode 2,667 sentences (MiniLM)": encoding,
    "judge by turn-over, 2,000 items": lambda home: judged(home, "turnover"),
    "judge by flipped-ridge, 2,000 items": lambda home: judged(home, "flipped-ridge"),
    "cleanse 3,000 rows in rounds to 4 %": rounds,
    "try it on 3,000 rows, 10 seeds": trial,
    "evaluate 3,000 rows": evaluation,
    "train 16 x 256, 3 epochs": training,
    "train lean, 3 epochs": lean,
    "fine-tune MiniLM, 2,000 sentences, 1 epoch": finetuned,
}
# Where the network is there and has run before anything is said.
BUILT_BEFORE = list(CASES)[-1:]


def one(name: str, home: Path) -> tuple[Estimate, Estimate]:
    """What is said and what it takes, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.estimates", "--case", name, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told, took = json.loads(done.stdout.splitlines()[-1])
    return Estimate(*told), Estimate(*took)


def within(told: float, took: float) -> bool:
    """Whether the two are within a factor of two of each other."""
    return told / 2 <= took <= told * 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=30_000)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(2)
    if asked.case:
        told, work = CASES[asked.case](asked.home)
        took = measured(work)
        if asked.case not in BUILT_BEFORE:
            told = in_fresh_process(told)
        print(json.dumps([[told.seconds, told.bytes], [took.seconds, took.bytes]]))
        return
    lines = [HEADER]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TURNOVER_HOME"] = folder
        prepare(Path(folder), asked.rows)
        print(HEADER)
        for name in [name for name in CASES if asked.only in name]:
            told, took = one(name, Path(folder))
            good = within(told.seconds, took.seconds) or max(told.seconds, took.seconds) < SHORT
            good &= within(told.bytes, took.bytes) or max(told.bytes, took.bytes) < LITTLE
            line = (
                f"| {name} | {told.seconds:.2f} s, {told.bytes >> 20} MB "
                f"| {took.seconds:.2f} s, {took.bytes >> 20} MB "
                f"| {took.seconds / told.seconds:.2f} x | {took.bytes / max(told.bytes, 1):.2f} x "
                f"| {'yes' if good else '**no**'} |"
            )
            print(line, flush=True)
            lines.append(line)
    head = (
        f"\n## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC\n\n{platform.machine()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}; load before: "
        f"{os.getloadavg()[0]:.1f}. `python -m benchmarks.estimates --rows {asked.rows} --only "
        f"'{asked.only}'`; ten classes, 384 features unless the work says else.\n\n"
    )
    with OUT.open("a") as file:
        file.write(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
