"""What each page answers on a large project: bytes and seconds, as the server sends them.

    python -m benchmarks.large_pages [--rows 50000] [--classes 200]

A synthetic project of one run; each page is opened once to fill the server's caches, then in a new
session (the first visit of one more person), then run again in it (what any change of a widget
costs). On Explore, each way to narrow the selection of all training rows is asked for by the
address, as a click does, with the map and the confusion matrix on screen. Measured by a client that
speaks Streamlit's protocol, so without a browser's own start; the browser test
tests/browser/test_large.py measures the bytes in Chromium. Writes
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

from influence_core.workflow.explain.map import make_map
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session

PAGES = {
    "Projects": "home", "Errors": "", "Explore": "select", "Labels": "triage",
    "Cleanse": "cleansing", "Trust": "evaluation", "Runs": "history",
}  # fmt: skip
SECONDS, MEGABYTES, ROUNDS = 1.0, 5.0, 5
SELECTED = 2.0  # megabytes of an answer on Explore
EVERY = "project=big&split=train&explore_show=Map&explore_table=Confusion"
NARROWED = {
    "wrong rows": "which=errors", "a class": "true=class+007",
    "a cell": "true=class+007&pred=class+007", "a bar": "conf=20-40",
    "a search": "q=sentence+4", "suspicious labels": "bad=1",
    "a lasso": "area=-99,-99,0,-99,0,99,-99,99",
}  # fmt: skip
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


def selections(url: str) -> dict[str, tuple[list[Answer], list[Answer]]]:
    """Answers to each way to narrow the selection of Explore, and to taking it back."""
    client = StreamClient(url, EVERY, "select")
    out = {}
    for name, part in NARROWED.items():
        asked, back = [], []
        for _ in range(ROUNDS):
            client.query = f"{EVERY}&{part}"
            asked.append(client.again())
            if client.answer.says("rows: everything") or not client.answer.says(" rows: "):
                raise SystemExit(f"{name}: the selection is not narrowed")
            client.query = EVERY
            back.append(client.again())
        out[name] = asked, back
    client.close()
    return out


def line(name: str, first: list[Answer], later: list[Answer], most: float = MEGABYTES) -> str:
    faults = [fault for answer in first + later for fault in answer.faults]
    if faults:
        raise SystemExit(f"{name}: {faults[0]}")
    megabytes = max(answer.received for answer in first + later) / 1e6
    seconds = [statistics.median(a.seconds for a in answers) for answers in (first, later)]
    met = megabytes <= most and max(seconds) <= SECONDS
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
        session = open_session(made)
        open_desk(session).reviews.close()
        make_map(made, encoder_fingerprint=session.run.record.encoder_fingerprint)
        with server(home) as url:
            lines = [line(name, *visits(url, page)) for name, page in PAGES.items()]
            lines.append(line("an item on Errors", *items(url)))
            chosen = selections(url)
            lines += [line(f"Explore: {name}", *two, SELECTED) for name, two in chosen.items()]
    text = "\n".join(
        [
            "# Pages of a large project",
            "",
            "Written by `python -m benchmarks.large_pages`, which says what is measured:",
            f"{asked.rows:,} training rows, {asked.classes} classes; at most {MEGABYTES:.0f} MB "
            f"and {SECONDS:.0f} s a page, {SELECTED:.0f} MB for a selection on Explore (the second "
            f"time is of taking it back). Load before the run: {load:.1f}.",
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
