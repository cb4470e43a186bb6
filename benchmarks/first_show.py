"""From `show(df, features=X)` to rows of an explanation on screen, in a browser, 50,000 x 384.

    python -m benchmarks.first_show [--rows 50000] [--numbers 384] [--times 1]

The clock starts when `show` is called in a process that has imported the library and holds the
frame, as a notebook does; it stops when the list of mistakes is there, and when the helpful rows of
the first one are. *First*: in a new home, where nothing is made and no dashboard runs. *Again*: a
new project, after a dashboard of this home and this browser have shown another one. With `proba`
nothing is trained, and no job may have been started; without it a lean head is trained in the
background, and what is listed and explained meanwhile is a linear model's. Asked: 3 s with `proba`,
10 s without. A busy machine only adds, so the best of several times is told, with the machine's
load. Needs a Chromium.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from influence_core import notebook, show
from influence_core.jobs import jobs

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from browser import chromium

LIMITS = {True: 3.0, False: 10.0}  # seconds, with probabilities and without
CLASSES, WRONG = 10, 0.05


def study(rows: int, numbers: int) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """A frame of short texts with labels, features and probabilities of ten clear classes."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, CLASSES, rows)
    middles = 0.3 * rng.normal(size=(CLASSES, numbers))
    x = (middles[true] + rng.normal(size=(rows, numbers))).astype(np.float32)
    given = np.where(rng.random(rows) < WRONG, rng.integers(0, CLASSES, rows), true)
    logits = 3.0 * np.eye(CLASSES)[true] + rng.normal(size=(rows, CLASSES))
    proba = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    texts = [f"text {i} of kind {kind}" for i, kind in enumerate(true)]
    return pd.DataFrame({"text": texts, "label": given}), {"features": x, "proba": proba}


def opened(page: Any, name: str, frame: pd.DataFrame, given: dict[str, Any]) -> dict[str, float]:
    """Seconds until `show` came back, of its processor, until the list, and the explanation."""
    start, used = time.perf_counter(), time.process_time()
    shown = show(frame, label="label", text="text", name=name, **given)
    took = {"show": time.perf_counter() - start, "its processor": time.process_time() - used}
    page.goto(shown.url, wait_until="commit")
    explain = page.get_by_role("button", name="Explain").first
    explain.wait_for()
    took["list"] = time.perf_counter() - start
    explain.click()
    page.locator(".st-key-helpful_1").wait_for()
    took["explanation"] = time.perf_counter() - start
    trained = [job for job in jobs(shown.project.root) if job.arguments[0] == "train"]
    if bool(trained) == ("proba" in given):
        raise RuntimeError(f"{len(trained)} trainings with {list(given)}")
    while any(job.active for job in jobs(shown.project.root)):  # or it slows the next one down
        time.sleep(1)
    return took


def both(page: Any, frame: pd.DataFrame, given: dict[str, Any]) -> dict[str, dict[str, float]]:
    """The first project of a home, and the next one of it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["TURNOVER_HOME"] = str(Path(folder) / "home")
        try:
            return {way: opened(page, way, frame, given) for way in ("first", "again")}
        finally:
            page.goto("about:blank")
            process = notebook._started.pop()
            process.terminate()
            process.wait(600)


def main() -> None:
    """Print a line for each way of asking."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--numbers", type=int, default=384)
    parser.add_argument("--times", type=int, default=1)
    asked = parser.parse_args()
    frame, arrays = study(asked.rows, asked.numbers)
    for with_proba in (True, False):
        given = arrays if with_proba else {"features": arrays["features"]}
        with chromium() as page:
            tried = [both(page, frame, given) for _ in range(asked.times)]
        for way in tried[0]:
            best = min((took[way] for took in tried), key=lambda seconds: seconds["explanation"])
            parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in best.items())
            limit = LIMITS[with_proba]
            print(
                f"show, {way}, {asked.rows:,} x {asked.numbers}, "
                f"{'with probabilities' if with_proba else 'features alone'}: {parts}; at most "
                f"{limit:g} s: {'met' if best['explanation'] <= limit else 'missed'}; load "
                f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
                flush=True,
            )


if __name__ == "__main__":
    main()
