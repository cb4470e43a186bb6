"""Many people at once: so many sessions click through errors, or narrow selections; some decide.

    python -m benchmarks.sessions [--page errors|explore] [--sessions 20] [--seconds 60]
                                  [--think 1 3]

Each session is a client that speaks Streamlit's own protocol (tests/support/stream_client.py). On
Errors (of *reviews*) it opens an item of its own, then presses *Next*, or *Wrong label* at every
fifth click. On Explore (the training rows of *fashion*) it narrows the selection by class,
confidence and what is wrong, as a click on the table or a bar does, and leaves out all that is
selected at every fifth click. Between two clicks it waits as a person who looks would (`--think`,
seconds). Measured is a click's
whole answer, from the press to the end of the script run, with every element sent and parsed; the
clients take their share of the same cores, the browsers' drawing is not in it. At the end every
decision that was shown as made is looked up in the database. Writes `benchmarks/sessions.md`.
"""

import argparse
import os
import platform
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil
import streamlit

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from browser import server
from stream_client import Answer, StreamClient

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews

LEAVE = "explore_act_leave"
DECIDES = 5  # every so many clicks
LEAST = 2 * DECIDES  # clicks of each person, however long they take
MEDIAN, FLAT = 1.0, 5.0  # seconds asked; MB a minute that still count as flat
OUTS = {
    "errors": Path(__file__).with_suffix(".md"),
    "explore": Path(__file__).with_name("sessions_explore.md"),
}


@dataclass
class Seen:
    """What all sessions together have seen; appends are atomic."""

    first: list[float] = field(default_factory=list)
    clicks: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)  # (seconds, MB)


class Errors:
    """*Next* from an item of one's own on, and now and then *Wrong label*."""

    sample, query, page = "reviews", "project=reviews", ""
    must = frozenset({"next", "mark_harmful_1"})  # of which an answer has one

    def __init__(self, number: int) -> None:
        self.number = number

    def step(self, client: StreamClient, turn: int) -> tuple[Answer, int]:
        """The answer to the next click, and how many rows it says that it has stored."""
        if not turn:
            opens = [key for key in client.answer.buttons if key.startswith("open_")]
            return client.click(opens[self.number % len(opens)]), 0
        if turn % DECIDES == 0 and "mark_harmful_1" in client.answer.buttons:
            answer = client.click("mark_harmful_1")
            return answer, int(answer.says("marked wrong"))
        return client.click("next"), 0


class Explore:
    """One selection after another, and now and then all of it is left out."""

    sample, page = "fashion", "select"
    query = "project=fashion&split=train"
    must = frozenset({"explore_export", "explore_act_leave", "explore_act_undo", "explore_clear"})

    def __init__(self, number: int) -> None:
        classes = Project.open(sample_root() / self.sample).dataset.classes
        self.draw, self.name = random.Random(number), classes[number % len(classes)]

    def step(self, client: StreamClient, turn: int) -> tuple[Answer, int]:
        """As above; a click that narrows writes the address and draws the page again."""
        if turn and turn % DECIDES == 0 and LEAVE in client.answer.buttons:
            answer = client.click(LEAVE)
            said = [re.match(r"Decided: ([\d,]+) row", word) for word in answer.words]
            return answer, sum(int(found[1].replace(",", "")) for found in said if found)
        low = 5 * self.draw.randrange(19)
        parts = [f"true={quote(self.name)}", f"conf={low}-{low + 5}", "which=errors", "bad=1"]
        before_leaving = turn % DECIDES == DECIDES - 1  # as many rows as there surely are
        narrowed = parts[: 1 if before_leaving else self.draw.randrange(1, 5)]
        client.query = "&".join([self.query, *narrowed])
        return client.again(), 0


Walk = type[Errors] | type[Explore]
PAGES: dict[str, Walk] = {"errors": Errors, "explore": Explore}


def session(
    url: str, number: int, until: float, think: tuple[float, float], seen: Seen, walk: Walk
) -> None:
    """One person; whatever fails is noted, not raised."""
    draw = random.Random(number)
    try:
        client = StreamClient(url, walk.query, walk.page)
        seen.first.append(client.answer.seconds)
        own, turn = walk(number), 0
        while turn <= LEAST or time.monotonic() < until:
            time.sleep(draw.uniform(*think))
            answer, decided = own.step(client, turn)
            seen.clicks.append(answer.seconds)
            seen.faults += answer.faults
            if not own.must & set(answer.buttons):
                seen.faults.append(f"session {number}: a page without a way on")
                return
            seen.acknowledged += [f"session {number}, click {turn}"] * decided
            turn += 1
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


def run(
    sessions: int, seconds: float, think: tuple[float, float], page: str = "errors"
) -> tuple[Seen, int]:
    """All sessions on a fresh server; what they saw, and how many decisions were kept."""
    seen, walk = Seen(), PAGES[page]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        others = set(psutil.Process().children())
        with server(home) as url:
            (process,) = set(psutil.Process().children()) - others
            # The first visitor waits for imports and the samples' copy: not what is asked here.
            warm = StreamClient(url, walk.query, walk.page)
            walk(0).step(warm, 0)
            warm.close()
            until = time.monotonic() + seconds
            people = [
                threading.Thread(target=session, args=(url, number, until, think, seen, walk))
                for number in range(sessions)
            ]
            people.append(threading.Thread(target=watch, args=(process, until, seen)))
            for person in people:
                person.start()
            for person in people:
                person.join()
        kept = events(Project.open(home / walk.sample))
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
        f"Written by `python -m benchmarks.sessions --page {asked.page}`, which says what is "
        "measured.",
        f"{asked.sessions} sessions for {asked.seconds:.0f} s on *{PAGES[asked.page].sample}*, "
        f"{asked.think[0]:g} to {asked.think[1]:g} s between two clicks; {os.cpu_count()} cores, "
        f"{platform.machine()}, Streamlit {streamlit.__version__}. "
        f"Load before the run: {asked.load:.1f}.",
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
    parser.add_argument("--page", choices=PAGES, default="errors")
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--think", type=float, nargs=2, default=(1.0, 3.0))
    asked = parser.parse_args()
    asked.load = os.getloadavg()[0]
    seen, kept = run(asked.sessions, asked.seconds, tuple(asked.think), asked.page)
    text = report(seen, kept, asked)
    OUTS[asked.page].write_text(text)
    print(text)


if __name__ == "__main__":
    main()
