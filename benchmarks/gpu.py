"""`python -m benchmarks.gpu`: are a card's answers the CPU's, and how much sooner are they in?

    python -m benchmarks.gpu                      # the sizes of the numbers that are asked for
    python -m benchmarks.gpu --quick              # a few minutes on any card
    python -m benchmarks.gpu --only masks,ridge   # some of the cases
    python -m benchmarks.gpu --device cpu --tiny  # the whole command on the processor, in a minute

Each case runs once on the device and once on the CPU, and what comes out is compared; then both are
timed, the device by the median of five after that first run. Captum, TRAK and kronfluence follow on
the same device where the extra `benchmark` is installed. Writes benchmarks/gpu.md, and ends with
status 1 if an answer differs. Without a card it says so and compares the torch path, as a card runs
it, with the compiled loops on the CPU.
"""

import argparse
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu_cases import ALL, FULL, QUICK, TINY, Answer, Sizes, Work
from influence_core.errors import ModelError, ResourceError
from influence_core.models.device import drop_cache, out_of_memory, pick_device, seconds_of

OUT = Path(__file__).with_suffix(".md")
HEADER = "| case | answers | device | CPU | faster | asked for |\n|---|---|---|---|---|---|"
CPU = torch.device("cpu")
# Seconds on the device, or times the CPU, at the sizes of `FULL`.
ASKED: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "turnover": ("<= 50 ms", lambda here, _: here <= 0.05),
    "ridge": ("<= 5 ms", lambda here, _: here <= 0.005),
    "replay": ("<= 2 s", lambda here, _: here <= 2),
    "judge": ("<= 1 s", lambda here, _: here <= 1),
    "opening": ("<= 1 s", lambda here, _: here <= 1),
    "training": (">= 15 x", lambda here, cpu: cpu >= 15 * here),
    "texts": (">= 30 x", lambda here, cpu: cpu >= 30 * here),
    "pictures": (">= 30 x", lambda here, cpu: cpu >= 30 * here),
}
# How far answers may lie apart: of losses in nats, of others as a part of their root mean square.
# Half of the digits carry an encoder's features; a training multiplies roundings step by step.
APART = {
    "bits": 0.0, "scores": 1e-4, "losses": 1e-6, "replayed": 1e-3, "trained": 1e-3, "tuned": 0.05,
    "half": 0.05,
}  # fmt: skip


@dataclass(frozen=True)
class Compared:
    """How far two answers lie apart, and whether that is within bounds."""

    apart: float
    fine: bool
    same_top: bool

    def __str__(self) -> str:
        top = "" if self.same_top else "; another top 20"
        return ("equal" if not self.apart else f"within {self.apart:.1e}") + top + (
            "" if self.fine else " **differ**"
        )  # fmt: skip


def compare(here: Answer, there: Answer, kind: str) -> Compared:
    """The largest difference of two devices' answers, and the first twenty except for ties."""
    apart = 0.0
    for name in here.keys() - {"top"}:
        a, b = here[name].astype(np.float64), there[name].astype(np.float64)
        size = (
            1.0 if kind in ("losses", "bits") else max(float(np.sqrt(np.square(b).mean())), 1e-12)
        )
        apart = max(apart, float(np.abs(a - b).max()) / size)
    same = "top" not in here or _same_top(here, there, APART[kind])
    return Compared(apart, apart <= APART[kind] and same, same)


def _same_top(here: Answer, there: Answer, apart: float) -> bool:
    """Equal rows at equal ranks, unless their scores are ties to that precision."""
    scores = there["scores"][0].astype(np.float64)
    size = max(float(np.sqrt(np.square(scores).mean())), 1e-12)
    if here["top"].shape != there["top"].shape:
        return False
    return bool((np.abs(scores[here["top"]] - scores[there["top"]]) <= 2 * apart * size).all())


def timed(run: Callable[[], object], device: torch.device, times: int) -> float:
    """Median seconds, from an idle device to an idle device."""
    return statistics.median(seconds_of(run, device, time.perf_counter) for _ in range(times))


def measured(name: str, device: torch.device, sizes: Sizes, times: int) -> tuple[str, bool]:
    """One row of the table, and whether the answers agree."""
    case, words = ALL[name]
    title = words.format(**vars(sizes), units=sizes.members * sizes.width)
    try:
        work = case(device, sizes)
        here = work.run()
        seconds = timed(work.run, device, times)
    except (MemoryError, RuntimeError, ResourceError) as error:
        if not isinstance(error, ResourceError) and not out_of_memory(error):
            raise
        return f"| {title} | not compared | out of memory | | | |", True
    finally:
        drop_cache()
    beside = case(CPU, sizes)
    there = beside.run()
    cpu = timed(beside.run, CPU, 1)
    found = compare(here, there, work.kind)
    return row(name, title, work, found, (seconds, cpu), sizes == FULL), found.fine


def row(
    name: str, title: str, work: Work, found: Compared, took: tuple[float, float], full: bool
) -> str:
    """As the table has it."""
    seconds, cpu = took
    asked = ""
    if full and name in ASKED:
        words, met = ASKED[name]
        asked = f"{words}: {'met' if met(seconds, cpu) else '**missed**'}"
    made = f" ({work.made})" if work.made else ""
    return (
        f"| {title}{made} | {found} | {shown(seconds)} | {shown(cpu)} | {cpu / seconds:.1f} x "
        f"| {asked} |"
    )


def shown(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def about(device: torch.device) -> str:
    """The card, its driver, torch and the machine."""
    card = "no card"
    if device.type == "cuda":
        total = torch.cuda.mem_get_info(device)[1] / 2**30
        card = f"{torch.cuda.get_device_name(device)} ({total:.0f} GiB), driver {driver()}, "
        card += f"CUDA {torch.version.cuda}"
    elif device.type == "mps":
        card = f"Apple GPU, macOS {platform.mac_ver()[0]}"
    cores = f"{platform.machine()} with {os.cpu_count()} cores, {torch.get_num_threads()} threads"
    return f"{card}; torch {torch.__version__}; CPU: {cores}"


def driver() -> str:
    """NVIDIA's, by its own tool."""
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(ask, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return told.strip().splitlines()[0] if told.strip() else "unknown"


def torch_path(sizes: Sizes) -> tuple[list[str], bool]:
    """What a card would compute, computed by torch on the CPU, beside the compiled loops."""
    from benchmarks.gpu_cases import torch_beside_compiled

    lines, fine = ["| case | answers |", "|---|---|"], True
    for title, kind, by_torch, compiled in torch_beside_compiled(sizes):
        found = compare(by_torch, compiled, kind)
        lines.append(f"| {title} | {found} |")
        fine &= found.fine
    return lines, fine


def beside_peers(device: torch.device, sizes: Sizes) -> list[str]:
    """Other people's estimators on the same device."""
    from benchmarks.gpu_peers import timings

    lines = ["", "| one item, other tools | device | setting up |", "|---|---|---|"]
    for line in timings(device, min(sizes.rows, 5_000)):
        print(line, flush=True)
        lines.append(line)
    return lines


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--device", default="auto", help="auto, cuda, mps or cpu")
    parser.add_argument("--only", default=",".join([*ALL, "peers"]))
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and fewer items")
    parser.add_argument("--tiny", action="store_true", help="a hundred rows: does it run at all?")
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args(arguments)
    sizes = TINY if asked.tiny else QUICK if asked.quick else FULL
    try:
        device = pick_device(asked.device)
    except ModelError as error:
        parser.error(str(error))
    if asked.device == "auto" and device.type == "cpu":
        print("There is no CUDA or MPS device here: only the torch path is checked, on the CPU.")
        lines, fine = torch_path(replace(sizes, rows=min(sizes.rows, 2_000)))
        print("\n".join(lines))
        return 0 if fine else 1
    lines, fine = [HEADER], True
    print(about(device), HEADER, sep="\n", flush=True)
    names = asked.only.split(",")
    for name in (name for name in names if name != "peers"):
        line, agree = measured(name, device, sizes, 1 if asked.tiny else 5)
        print(line, flush=True)
        lines.append(line)
        fine &= agree
    if "peers" in names:
        lines += beside_peers(device, sizes)
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    title = f"# On a card\n\nWritten by `python -m benchmarks.gpu`, {when}; {about(device)}.\n\n"
    asked.out.write_text(title + "\n".join(lines) + "\n", encoding="utf-8")
    return 0 if fine else 1


if __name__ == "__main__":
    raise SystemExit(main())
