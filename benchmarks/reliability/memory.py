"""How much memory the server has gained after 1,000 clicks.

    python -m benchmarks.reliability memory [--clicks 1000]

A person opens item after item of *reviews* on Errors, goes on, decides at every fifth click, and
visits another page at every tenth, each with a session of its own, as a new tab has. Measured is
the server's resident memory, from the moment when every page and 100 items have been seen once.
Decisions are kept, so what the database holds grows, too.
"""

import argparse
import tempfile
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path

import psutil
from browser import server
from stream_client import Answer, StreamClient

from benchmarks.large_pages import PAGES
from benchmarks.reliability.report import write

QUERY = "project=reviews"
WARM, DECIDES, VISITS, SESSION = 100, 5, 10, 50


def clicks(url: str) -> Iterator[Answer]:
    """What each click was answered, without end."""
    pages = cycle(PAGES.values())
    for session in count():
        person = StreamClient(url, QUERY)
        opens = [key for key in person.answer.buttons if key.startswith("open_")]
        yield person.click(opens[session % len(opens)])
        for turn in range(1, SESSION):
            if turn % VISITS == 0:
                other = StreamClient(url, QUERY, next(pages))
                yield other.answer
                other.close()
            else:
                yield person.click("mark_harmful_1" if decides(turn, person) else "next")
        person.close()


def decides(turn: int, person: StreamClient) -> bool:
    return turn % DECIDES == 0 and "mark_harmful_1" in person.answer.buttons


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clicks", type=int, default=1000)
    asked = parser.parse_args()
    faults: list[str] = []
    memory: list[float] = []  # MB after each click
    with tempfile.TemporaryDirectory() as folder:
        others = set(psutil.Process().children())
        with server(Path(folder) / "home") as url:
            (process,) = set(psutil.Process().children()) - others
            for page in PAGES.values():
                StreamClient(url, QUERY, page).close()
            for number, answer in zip(range(WARM + asked.clicks), clicks(url), strict=False):
                faults += answer.faults
                memory.append(process.memory_info().rss / 2**20)
                if number % 100 == 0:
                    print(number, f"{memory[-1]:.0f} MB", flush=True)
    start, counted = memory[WARM - 1], memory[WARM:]
    half = counted[len(counted) // 2 - 1]
    rows = [("clicks", "errors", "MB at the start", "MB at half", "MB at the end", "most"),
            (len(counted), len(faults),
             *(f"{mb:.0f}" for mb in (start, half, counted[-1], max(counted))))]  # fmt: skip
    write("memory", "every page of *reviews*, one server", rows)
    print(*faults[:5], sep="\n")


if __name__ == "__main__":
    main()
