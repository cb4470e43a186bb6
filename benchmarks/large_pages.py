"""What each page answers on a large project: bytes and seconds, as the server sends them.

    python -m benchmarks.large_pages [--rows 50000] [--classes 200]

A synthetic project of one run; each page is opened once to fill the server's caches, then in a new
session (the first visit of one more person), then run again in it (what any change of a widget
costs). Measured by a client that speaks Streamlit's protocol, so without a browser's own start; the
browser test tests/browser/test_large.py measures the bytes in Chromium. Writes
`benchmarks/large_pages.md`.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from big_project import big_project
from browser import server
from stream_client import Answer, StreamClient

from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session

PAGES = {
    "Projects": "home", "Errors": "", "Labels": "triage", "Cleanse": "cleansing",
    "Trust": "evaluation", "Runs": "history",
}  # fmt: skip
SECONDS, MEGABYTES, ROUNDS = 1.0, 5.0, 5
OUT = Path(__file__).with_suffix(".md")


def visits(url: str, page: str) -> tuple[list[Answer], list[Answer]]:
    """Answers to first visits of new sessions, and to reruns in them."""
    first, later = [], []
    for turn in range(ROUNDS + 1):
        client = StreamClient(url, "project=big", page)
        if turn:  # the very first fills the caches
            first.append(client.answer)
            later.append(client.again())
        client.close()
    return first, later


def items(url: str) -> tuple[list[Answer], list[Answer]]:
    """Answers to the first item that is opened, and to *Next*."""
    client = StreamClient(url, "project=big")
    key = next(key for key in client.answer.buttons if key.startswith("open_"))
    client.click(key)
    client.click("back")
    first = [client.click(key)]
    later = [client.click("next") for _ in range(ROUNDS)]
    client.close()
    return first, later


def line(name: str, first: list[Answer], later: list[Answer]) -> str:
    faults = [fault for answer in first + later for fault in answer.faults]
    if faults:
        raise SystemExit(f"{name}: {faults[0]}")
    megabytes = max(answer.received for answer in first + later) / 1e6
    seconds = [statistics.median(a.seconds for a in answers) for answers in (first, later)]
    met = megabytes <= MEGABYTES and max(seconds) <= SECONDS
    return (
        f"| {name} | {megabytes:.2f} MB | {1000 * seconds[0]:.0f} ms | "
        f"{1000 * seconds[1]:.0f} ms | {'yes' if met else '**no**'} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--classes", type=int, default=200)
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        # The label table is computed once a run; what is measured here are the pages.
        made = big_project(home / "big", rows=asked.rows, classes=asked.classes)
        open_desk(open_session(made)).reviews.close()
        with server(home) as url:
            lines = [line(name, *visits(url, page)) for name, page in PAGES.items()]
            lines.append(line("an item on Errors", *items(url)))
    text = "\n".join(
        [
            "# Pages of a large project",
            "",
            "Written by `python -m benchmarks.large_pages`, which says what is measured:",
            f"{asked.rows:,} training rows, {asked.classes} classes; at most {MEGABYTES:.0f} MB "
            f"and {SECONDS:.0f} s a page. Load before the run: {load:.1f}.",
            "",
            "| page | sends at most | first visit | run again | met |",
            "|---|---|---|---|---|",
            *lines,
        ]
    )
    OUT.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
