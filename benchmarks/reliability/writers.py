"""Two writers of 2,000 decisions each, into one database that breaks in the middle.

    python -m benchmarks.reliability writers [--decisions 2000]

SQLite has no server: there one of the writers is killed (-9) at 500, 1,000 and 1,500 decisions and
begins from the first again. PostgreSQL, a server of its own in a temporary folder, is stopped three
times without warning (`pg_ctl restart -m immediate`, as at a loss of power) and starts by its log.
A writer whose decision was refused writes it again under the same id. Needs PostgreSQL's programs.
"""

import argparse
import os
import pwd
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from browser import free_port

from benchmarks.reliability.report import write
from influence_core.store.reviews.store import ReviewStore

ROOT = Path(__file__).resolve().parents[2]
WRITER = ROOT / "tests" / "support" / "review_writer.py"
NAMES = ("ann", "bob")
Break = Callable[["Writer"], "Writer"]  # what happens at a moment; who goes on writing


class Writer:
    """A process that writes decisions one by one."""

    def __init__(self, url: str, name: str, count: int) -> None:
        self.asked = (url, name, count)
        self.said = ""  # the last line that was read of it
        self.process = subprocess.Popen(
            [sys.executable, str(WRITER), url, "patient", name, str(count)],
            env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def at(self, number: int) -> None:
        """Wait until it has written so many, or has ended."""
        for line in self.process.stdout or ():
            self.said = line
            if not line[:-1].isdigit() or int(line) >= number:  # it has ended, or come so far
                return

    def refusals(self) -> int:
        """Wait for its end; how often it was refused."""
        rest, _ = self.process.communicate()
        assert self.process.returncode == 0
        return int((self.said + rest).split()[-1])

    def killed(self) -> "Writer":
        """Another one that begins again."""
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        return Writer(*self.asked)


def as_postgres(*command: str) -> None:
    """Run a program as a user who may run the server, which is not root."""
    if os.geteuid() == 0:
        command = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", *command)
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)


@contextmanager
def own_server() -> Iterator[tuple[str, Callable[[], None]]]:
    """URL of a PostgreSQL server of our own, and what restarts it without warning."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        data, port = f"{folder}/data", free_port()
        as_postgres(f"{programs}/initdb", "-D", data, "-A", "trust", "-U", "postgres")

        def control(*words: str) -> None:
            options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
            as_postgres(f"{programs}/pg_ctl", "-D", data, "-l", f"{folder}/log", "-o", options,
                        "-w", *words)  # fmt: skip

        control("start")
        try:
            url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
            yield url, lambda: control("restart", "-m", "immediate")
        finally:
            control("stop", "-m", "immediate")


def measure(url: str, count: int, breaks: Break) -> tuple[object, ...]:
    """Both write while it breaks three times; what the database holds afterwards."""
    ReviewStore(url).close()
    one, other = (Writer(url, name, count) for name in NAMES)
    other.at(0)
    for share in (1, 2, 3):
        one.at(max(share * count // 4 - 100, 0))
        one = breaks(one)
    refused = one.refusals() + other.refusals()
    with closing(ReviewStore(url)) as store:
        found = Counter((e.reviewer, e.decision.key) for e in store.events())
    wanted = {(name, key) for name in NAMES for key in range(count)}
    doubled = sum(times > 1 for times in found.values())
    return len(wanted), refused, len(wanted - set(found)), doubled, len(set(found) - wanted)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--decisions", type=int, default=2000)
    count = parser.parse_args().decisions
    with tempfile.TemporaryDirectory() as folder:
        lite = measure(f"sqlite:///{folder}/reviews.db", count, Writer.killed)
    with own_server() as (url, restart):

        def restarted(writer: Writer) -> Writer:
            restart()
            return writer

        post = measure(url, count, restarted)
    head = ("database", "what broke", "decisions", "refused, written again", "lost", "doubled",
            "never made")  # fmt: skip
    rows = [("SQLite", "a writer killed three times", *lite),
            ("PostgreSQL", "the server stopped three times", *post)]  # fmt: skip
    write("writers", f"two writers, {count:,} decisions each", [head, *rows])


if __name__ == "__main__":
    main()
