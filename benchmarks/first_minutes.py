"""The first five minutes: how long the command line and a freshly started dashboard take to speak.

    python -m benchmarks.first_minutes [--times 3]

Measures `turnover --help`, `turnover jobs`, and, with the samples in their place already, a started
dashboard: from its first answer to words in the browser's frame, and from the command to the first
list of errors. The best of several times, since a busy machine only adds; the processor's seconds
of the command line stand beside it. Needs a Chromium.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from browser import chromium, server

LIMITS = {"--help": 0.5, "jobs": 1.0, "words": 1.5, "list": 5.0}
SAID = "document.body && document.body.innerText.includes('Turnover')"


def command(arguments: Sequence[str], home: Path) -> tuple[float, float]:
    """Seconds on the clock, and of the processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "influence_core.cli", *arguments], check=True, capture_output=True,
        env={**os.environ, "TURNOVER_HOME": str(home)},
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def dashboard(home: Path) -> tuple[float, float]:
    """From the server's first answer to words, and from the command to the first list."""
    with chromium() as page:
        start = time.perf_counter()
        with server(home) as url:
            answered = time.perf_counter()
            page.goto(url, wait_until="commit")
            page.wait_for_function(SAID)
            words = time.perf_counter() - answered
            page.get_by_role("button", name="Explain").first.wait_for()
            return words, time.perf_counter() - start


def main() -> None:
    """Print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        home.mkdir()
        for name in ("--help", "jobs"):
            clock, used = map(min, zip(*(command([name], home) for _ in range(times)), strict=True))
            _print(f"turnover {name}", clock, LIMITS[name], f", {used:.2f} s of the processor")
        dashboard(home)  # copies the samples, once
        words, first = map(min, zip(*(dashboard(home) for _ in range(times)), strict=True))
        _print("words, after the server answers", words, LIMITS["words"])
        _print("first list, after the command", first, LIMITS["list"])
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


def _print(what: str, seconds: float, limit: float, more: str = "") -> None:
    verdict = "met" if seconds <= limit else "missed"
    print(f"{what}: {seconds:.2f} s{more}; at most {limit:g} s: {verdict}")


if __name__ == "__main__":
    main()
