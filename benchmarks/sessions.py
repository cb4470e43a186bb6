"""Many people at once: so many sessions click through the errors of *reviews*, and some decide.

    python -m benchmarks.sessions [--sessions 20] [--seconds 60] [--think 1 3]

Each session is a client that speaks Streamlit's own protocol (tests/support/stream_client.py): it
opens Errors, opens an item of its own, then presses *Next*, or *Wrong label* at every fifth click,
and waits between two clicks as a person who looks would (`--think`, seconds). Measured is a click's
whole answer, from the press to the end of the script run, with every element sent and parsed; the
clients take their share of the same cores, the browsers' drawing is not in it. At the end every
decision that was shown as made is looked up in the database. Writes `benchmarks/sessions.md`.
"""

import argparse
import os
import platform
import random
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import streamlit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from browser import server
from stream_client import StreamClient

from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews

SAMPLE = "reviews"
DECIDES = 5  # every so many clicks
MEDIAN, FLAT = 1.0, 5.0  # seconds asked; MB a minute that still count as flat
OUT = Path(__file__).with_suffix(".md")


@dataclass
class Seen:
    """What all sessions together have seen; appends are atomic."""

    first: list[float] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)  # (seconds, MB)


def session(url: str, number: int, until: float, think: tuple[float, float], seen: Seen) -> None:
    """One person; whatever fails is noted, not raised."""
    draw = random.Random(number)
    try:
        client = StreamClient(url, f"project={SAMPLE}")
        seen.first.append(client.answer.seconds)
        opens = [key for key in client.answer.buttons if key.startswith("open_")]
        keys = [opens[number % len(opens)]]
        turn = 0
        while time.monotonic() < until:
            time.sleep(draw.uniform(*think))
            key = keys.pop()
            answer = client.click(key)
            seen.clicks.append(answer.seconds)
            seen.faults += answer.faults
            if not {"next", "mark_harmful_1"} & set(answer.buttons):
                seen.faults.append(f"session {number}: an item without rows or a way on")
                return
            if key.startswith("mark") and answer.says("marked wrong"):
                seen.acknowledged.append(f"session {number}, click {turn}")
            turn += 1
            decide = turn % DECIDES == 0 and "mark_harmful_1" in answer.buttons
            keys.append("mark_harmful_1" if decide else "next")
        client.close()
    except Exception as error:  # a lost session is a result of this measurement
        seen.faults.append(f"session {number}: {type(error).__name__}: {error}")


def watch(process: psutil.Process, until: float, seen: Seen) -> None:
    started = time.monotonic()
    while time.monotonic() < until:
        seen.memory.append((time.monotonic() - started, process.memory_info().rss / 2**20))
        time.sleep(2)


def events(project: Project) -> int:
    """How many decisions the database holds."""
    store = open_reviews(project)
    count = len(store.events())
    store.close()
    return count


def run(sessions: int, seconds: float, think: tuple[float, float]) -> tuple[Seen, int]:
    """All sessions on a fresh server; what they saw, and how many decisions were kept."""
    seen = Seen()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        others = set(psutil.Process().children())
        with server(home) as url:
            (process,) = set(psutil.Process().children()) - others
            # The first visitor waits for imports and the samples' copy: not what is asked here.
            warm = StreamClient(url, f"project={SAMPLE}")
            warm.click(next(key for key in warm.answer.buttons if key.startswith("open_")))
            warm.close()
            until = time.monotonic() + seconds
            people = [
                threading.Thread(target=session, args=(url, number, until, think, seen))
                for number in range(sessions)
            ]
            people.append(threading.Thread(target=watch, args=(process, until, seen)))
            for person in people:
                person.start()
            for person in people:
                person.join()
        kept = events(Project.open(home / SAMPLE))
    return seen, kept


def slope(memory: list[tuple[float, float]]) -> float:
    """MB a minute over the second half, when every session has its pages."""
    half = memory[len(memory) // 2 :]
    times, sizes = zip(*half, strict=True)
    return 60 * statistics.linear_regression(times, sizes).slope


def report(seen: Seen, kept: int, asked: argparse.Namespace) -> str:
    clicks = sorted(seen.clicks)
    middle, late = statistics.median(clicks), clicks[int(0.95 * len(clicks))]
    rise = slope(seen.memory)
    lines = [
        "# Many sessions at once",
        "",
        "Written by `python -m benchmarks.sessions`, which says what is measured.",
        f"{asked.sessions} sessions for {asked.seconds:.0f} s on *{SAMPLE}*, {asked.think[0]:g} to "
        f"{asked.think[1]:g} s between two clicks; {os.cpu_count()} cores, {platform.machine()}, "
        f"Streamlit {streamlit.__version__}. Load before the run: {asked.load:.1f}.",
        "",
        "| what | measured | required | met |",
        "|---|---|---|---|",
        f"| answers | {len(clicks)} clicks | | |",
        f"| median of a click's answer | {1000 * middle:.0f} ms | <= 1 s | "
        f"{word(middle <= MEDIAN)} |",
        f"| 95 % of them within | {1000 * late:.0f} ms, worst {1000 * clicks[-1]:.0f} ms | | |",
        f"| first page, all at once | median {statistics.median(seen.first):.1f} s | | |",
        f"| errors | {len(seen.faults)} | 0 | {word(not seen.faults)} |",
        f"| decisions shown as made / kept | {len(seen.acknowledged)} / {kept} | none lost | "
        f"{word(kept >= len(seen.acknowledged))} |",
        f"| memory of the server | {seen.memory[0][1]:.0f} MB at the start, "
        f"{seen.memory[-1][1]:.0f} MB at the end, {rise:+.1f} MB a minute in the second half | "
        f"flat | {word(rise <= FLAT)} |",
    ]
    return "\n".join(lines + [f"- {fault}" for fault in seen.faults[:5]]) + "\n"


def word(met: bool) -> str:
    return "yes" if met else "**no**"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, nargs=2, default=(1.0, 3.0))
    asked = parser.parse_args()
    asked.load = os.getloadavg()[0]
    seen, kept = run(asked.sessions, asked.seconds, tuple(asked.think))
    text = report(seen, kept, asked)
    OUT.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
