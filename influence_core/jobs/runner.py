"""The small process beside a verb: waits for its turn, starts it, stops it, writes the ending.

    python -m influence_core.jobs.runner FOLDER ATTEMPT

Holds the job's lock for its whole life. It loads neither torch nor data, so a queue of jobs costs
little memory. The verb runs in a process group of its own: cancelling sends SIGTERM to all of it,
and SIGKILL if it has not ended after a grace.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from filelock import Timeout

from influence_core.disk.names import projects_home
from influence_core.errors import StoreError
from influence_core.jobs import folder as files
from influence_core.jobs.slots import is_short, turn

GRACE_SECONDS = 20.0
POLL_SECONDS = 0.1
CANCELLED_CODE = 130
# The page and the queue come first: a verb takes what time is left.
NICENESS = 5
# Codes that are answers, not failures; 3 is `cleanse --try` that found no evidence.
DONE_CODES = {0: "", 3: "Done; it found no evidence that the change helps."}


def run(folder: Path, number: int, *, grace: float = GRACE_SECONDS) -> None:
    """Do attempt `number` of the job, unless another runner has it already."""
    try:
        with files.lock(folder, files.RUNNER_LOCK).acquire(timeout=5):
            # A second runner of the same attempt finds it begun, one of an older attempt finds a
            # newer number: neither may touch anything.
            attempt = files.read(folder, "attempt.json")
            if attempt.get("number") == number and attempt.get("state") == "queued":
                _attempt(folder, number, grace)
    except Timeout:
        return


def _attempt(folder: Path, number: int, grace: float) -> None:
    os.nice(NICENESS)
    stopped = Stop(folder)
    card = files.read(folder, "job.json")
    short = is_short(card.get("arguments", ()), card.get("expected"))
    since = float(files.read(folder, "attempt.json").get("time", time.time()))
    try:
        with turn(projects_home(), stopped, since, job=folder, short=short) as ours:
            code = _begun(folder, number, stopped, grace) if ours else CANCELLED_CODE
            if code is not None:
                _end(folder, *_verdict(folder, code))
    except StoreError as error:
        _end(folder, "failed", str(error))


def _begun(folder: Path, number: int, stopped: Callable[[], bool], grace: float) -> int | None:
    """The verb's exit code; None if it could not be started, which is told then."""
    files.write(folder, "attempt.json", {"number": number, "state": "running", "time": time.time()})
    try:
        return _verb(folder, stopped, grace)
    except OSError as error:
        _end(folder, "failed", f"The verb could not be started ({error.strerror}).")
        return None


class Stop:
    """Whether the job shall stop: its flag is there, its folder gone, or a signal asks to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signalled = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._signal)

    def _signal(self, number: int, frame: object) -> None:
        self.signalled = True

    def __call__(self) -> bool:
        """True from then on."""
        return self.signalled or files.wants_cancel(self.folder) or not self.folder.is_dir()


def _verb(folder: Path, stopped: Callable[[], bool], grace: float) -> int:
    """Run the verb to its end; its exit code, negative for the signal that killed it."""
    arguments = files.read(folder, "job.json")["arguments"]
    environment = {**os.environ, files.ENVIRONMENT: str(folder), files.RUNNER: str(os.getpid())}
    # What is written to a log is for reading: no colours, and long lines.
    environment |= {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "120"}
    environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "influence_core.cli", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        process_group=0,
    )
    deadline = None
    while True:
        try:
            return process.wait(POLL_SECONDS)
        except subprocess.TimeoutExpired:
            if deadline is None and stopped():
                _signal(process, signal.SIGTERM)
                deadline = time.monotonic() + grace
            elif deadline is not None and time.monotonic() > deadline:
                _signal(process, signal.SIGKILL)


def _signal(process: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:  # it has just ended by itself
        return


def _verdict(folder: Path, code: int) -> tuple[str, str]:
    """State and sentence for an exit code."""
    error = files.read(folder, "result.json").get("error")
    if code in DONE_CODES:
        return "done", DONE_CODES[code]
    if files.wants_cancel(folder):
        return "cancelled", "What was finished before is kept."
    if code < 0 or code == CANCELLED_CODE:
        why = " (killed, often for lack of memory)" if code == -signal.SIGKILL else ""
        return "interrupted", f"It was ended from outside{why}; it can be resumed."
    return "failed", str(error) if error else f"It ended with code {code}; the log says why."


def _end(folder: Path, state: str, message: str) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    ending = {"state": state, "message": message, "time": now}
    files.write(folder, "ending.json", ending, flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]), int(sys.argv[2]))
