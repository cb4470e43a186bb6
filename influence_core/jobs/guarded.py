"""Work on a stranger's data in a process of its own, with a limit of memory and of time.

A decoder that is led astray then ends that process, and its caller hears one sentence. Both sides
stand here: `run_guarded` starts `python -m <module>` and waits, `answer` is all that such a module
does. They speak JSON, a line each, so nothing that the child says is ever executed.
"""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from typing import IO, Any

import psutil

from influence_core import errors
from influence_core.errors import DataError, ResourceError, TurnoverError
from influence_core.progress import Progress, ProgressFn, check_cancel

POLL_SECONDS = 0.03
NICENESS = 5
# So many at once in this process; others wait.
_TURNS = threading.BoundedSemaphore(2)

Handler = Callable[[Mapping[str, Any], ProgressFn], Mapping[str, Any]]


@dataclass(frozen=True)
class Limits:
    """What the child may take: bytes of memory of its own, and seconds of a core."""

    memory: int
    cpu_seconds: int


def run_guarded(
    module: str,
    request: Mapping[str, Any],
    limits: Limits,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, Any]:
    """The module's answer to a request.

    The child ends with this call, however it ends: also by an exception of `progress`.

    Args:
        module: calls `answer` when it is run.
        request: plain values.
        limits: of the child.
        progress: hears what the child reports, and that it waits for its turn.
        cancel: ends it.

    Raises:
        TurnoverError: what the child raised.
        ResourceError: it took more memory or time than it may, or was ended from outside.
        CancelledError: `cancel` was set.
    """
    while not _TURNS.acquire(timeout=0.2):
        check_cancel(cancel)
        if progress is not None:
            progress(Progress("wait", 0, 1))
    try:
        with tempfile.TemporaryFile() as log:
            return _run(module, request, limits, progress, cancel, log)
    finally:
        _TURNS.release()


def _run(
    module: str,
    request: Mapping[str, Any],
    limits: Limits,
    progress: ProgressFn | None,
    cancel: threading.Event | None,
    log: IO[bytes],
) -> dict[str, Any]:
    child = subprocess.Popen(
        # -P: a file of the working folder must never be imported as a module.
        [sys.executable, "-P", "-m", module, str(limits.memory), str(limits.cpu_seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None
    lines: queue.Queue[bytes | None] = queue.Queue()
    reader = threading.Thread(target=_pump, args=(child.stdout, lines), daemon=True)
    reader.start()
    try:
        with suppress(BrokenPipeError):
            child.stdin.write(json.dumps(dict(request)).encode() + b"\n")
            child.stdin.flush()  # and stays open: its end tells the child that we are gone
        event = Progress("read", 0, 1)

        def beat() -> None:
            """Let the caller show something, and be interrupted, while the child is silent."""
            check_cancel(cancel)
            if progress is not None:
                progress(event)

        while (line := _next_line(child, lines, limits, beat)) is not None:
            said = json.loads(line)
            if "answer" in said:
                return dict(said["answer"])
            if "error" in said:
                raise getattr(errors, said["error"], DataError)(said["message"])
            event = Progress(**said["progress"])
            beat()
        raise _ended(child, limits)
    finally:
        child.kill()
        child.wait()
        with suppress(OSError):
            child.stdin.close()
        reader.join()
        child.stdout.close()


def _pump(source: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    for line in source:
        lines.put(line)
    lines.put(None)


def _next_line(
    child: "subprocess.Popen[bytes]",
    lines: "queue.Queue[bytes | None]",
    limits: Limits,
    beat: Callable[[], None],
) -> bytes | None:
    """What the child says next, None at its end; watches its memory meanwhile."""
    for silent in count():
        try:
            return lines.get(timeout=POLL_SECONDS)
        except queue.Empty:
            if silent % 10 == 0:
                beat()
            if _memory(child.pid) > limits.memory:
                raise _too_much(limits) from None
    return None


def _memory(pid: int) -> int:
    """Bytes that belong to the process alone; mapped files do not count."""
    try:
        taken = psutil.Process(pid).memory_info()
    except psutil.Error:
        return 0
    return int(taken.rss - getattr(taken, "shared", 0))


def _too_much(limits: Limits) -> ResourceError:
    return ResourceError(
        f"Reading this would take more than {limits.memory >> 20:,} MB of memory, so it was "
        "stopped; make it smaller, or use `turnover new` on a machine with more."
    )


def _ended(child: "subprocess.Popen[bytes]", limits: Limits) -> ResourceError:
    code = child.wait()
    if code == -24:  # SIGXCPU
        return ResourceError(
            f"Reading this took more than {limits.cpu_seconds} seconds of a core, so it was "
            "stopped; make it smaller, or use `turnover new`."
        )
    return ResourceError(
        f"Reading this ended without an answer (code {code}, often for lack of memory); make it "
        "smaller, or look at the file with another program."
    )


def answer(handler: Handler) -> None:
    """The child's side: one request from standard input, one answer to standard output."""
    memory, seconds = int(sys.argv[1]), int(sys.argv[2])
    _limit(memory, seconds)
    # Whatever libraries print must not stand between the lines of the answer.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)
        request = json.loads(sys.stdin.readline())
        threading.Thread(target=_end_with_parent, daemon=True).start()
        sent = [-1.0]

        def say(**values: Any) -> None:
            out.write(json.dumps(values, default=str) + "\n")
            out.flush()

        def tell(event: Progress) -> None:
            now = time.monotonic()
            if event.done >= event.total or now - sent[0] > 0.1:
                sent[0] = now
                say(progress=asdict(event))

        try:
            say(answer=dict(handler(request, tell)))
        except TurnoverError as error:
            say(error=type(error).__name__, message=str(error)[:4_000])
        except MemoryError:
            say(error="ResourceError", message=str(_too_much(Limits(memory, seconds))))


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _limit(memory: int, seconds: int) -> None:
    """Limits of the system, behind the parent's watch: it may be slow to look."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory, 2 * memory))
    with suppress(OSError):
        os.nice(NICENESS)
