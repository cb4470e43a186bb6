"""The torch path of the turn-over scan in float32, bfloat16 and float16: time, and what it costs.

    python -m benchmarks.precision [--device auto]

CUDA and MPS scan by unpacked masks and one product a member. Masks are exact in any precision, but
a half-precision product rounds the logits that come out, and a score is a small difference of
them. Ten misclassified items of each sample are scanned on the device there is; on a CPU only the
errors mean something, as they are the same everywhere, for a CPU scans by compiled loops. Prints
a table and appends it to `benchmarks/precision.md`.
"""

import argparse
import platform
import time
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from scipy.stats import spearmanr

from influence_core.influence.estimators.turnover import torch_scores
from influence_core.store.project import Project
from influence_core.turnover.head import hidden
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.session import Session, open_session

HEADER = (
    "| sample | products | seconds | error / size of a score | rank correlation | of the top 20 |\n"
    "|---|---|---|---|---|---|"
)
ITEMS, TOP = 10, 20
HERE = Path(__file__)
SAMPLES = HERE.parents[1] / "sample_data"


def scanned(session: Session, precision: torch.dtype) -> tuple[np.ndarray, float]:
    """Scores (T, N) of some misclassified items, and the seconds of the second of two scans."""
    missed = misclassified(session, "test")["key"].to_numpy()[:ITEMS]
    items = [find_item(session, "test", int(key)) for key in missed]
    x = torch.stack([item.features for item in items]).to(session.device)
    labels = torch.tensor([item.predicted for item in items], device=session.device)
    head = session.head
    h = hidden(x, head.W1, head.b1)
    whole = precision == torch.float32
    for _ in range(2):
        start = time.perf_counter()
        with nullcontext() if whole else torch.autocast(session.device.type, precision):
            scores = torch_scores(session.evidence.keys, head, h, labels).scores
        found = scores.float().cpu().numpy()  # which waits for the device
        took = time.perf_counter() - start
    return found, took


def line(sample: str, name: str, took: float, found: np.ndarray, exact: np.ndarray) -> str:
    """How far scores are from those in float32, in the mean over items."""
    error = np.abs(found - exact).mean(1) / np.abs(exact).mean(1)
    rank = [spearmanr(a, b).statistic for a, b in zip(found, exact, strict=True)]
    same = [
        len(np.intersect1d(np.argsort(-a)[:TOP], np.argsort(-b)[:TOP])) / TOP
        for a, b in zip(found, exact, strict=True)
    ]
    return (
        f"| {sample} | {name} | {took:.2f} | {error.mean():.3f} | {np.mean(rank):.3f} "
        f"| {np.mean(same):.0%} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="auto")
    device = parser.parse_args().device
    lines = [HEADER]
    print(HEADER)
    for sample in ("reviews", "fashion"):
        project = Project.open(SAMPLES / sample)
        run = next(run for run in project.runs() if run.kind == "head")
        session = open_session(project, run.id, device=device)
        exact, took = scanned(session, torch.float32)
        lines.append(line(sample, "float32", took, exact, exact))
        print(lines[-1], flush=True)
        for precision in (torch.bfloat16, torch.float16):
            found, took = scanned(session, precision)
            lines.append(line(sample, str(precision).removeprefix("torch."), took, found, exact))
            print(lines[-1], flush=True)
    about = f"{platform.machine()}, {session.device}, torch {torch.__version__}; {ITEMS} items each"
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    with HERE.with_suffix(".md").open("a") as file:
        file.write(f"\n## {when}\n\n{about}.\n\n" + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
