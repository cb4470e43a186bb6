"""Verbs in processes that die of SIGKILL: at their n-th rename, or after so many seconds.

One process imports everything once and forks a child for each verb, so that a moment drawn at
random falls into the verb's work and not into its imports.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SERVER = """
import json, os, select, signal, sys, time
from typer.testing import CliRunner
import transformers.models.bert.modeling_bert
import influence_core.models.text
import influence_core.workflow.cleanse.find_harm
import influence_core.workflow.projects.create
import influence_core.workflow.review.queue
import influence_core.workflow.train.head
from influence_core.cli import app
from influence_core.training.heads import checkpoint

checkpoint.SECONDS = 0.0  # every epoch is kept: the more there is to break

def verb(home, arguments, rename):
    os.environ["TURNOVER_HOME"] = home
    seen = 0
    def die(event, args):
        nonlocal seen
        seen += event == "os.rename"
        if event == "os.rename" and seen == rename:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(die)
    done = CliRunner().invoke(app, arguments)
    print(done.output, file=sys.stderr)
    os._exit(done.exit_code)

for line in sys.stdin:
    home, arguments, rename, seconds = json.loads(line)
    start = time.monotonic()
    if not (child := os.fork()):
        verb(home, arguments, rename)
    if seconds is not None:
        ending = os.pidfd_open(child)
        if not select.select([ending], [], [], seconds)[0]:
            os.kill(child, signal.SIGKILL)
        os.close(ending)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(json.dumps([status, time.monotonic() - start]), flush=True)
"""
KILLED = -signal.SIGKILL


@dataclass(frozen=True)
class Ending:
    """How a verb ended: its exit status, or `KILLED`, after so many seconds."""

    status: int
    seconds: float


class Verbs:
    """The process that forks; a context."""

    def __init__(self, said: int | None = None) -> None:
        """`said` is where the verbs' words go, as `stderr` of a `Popen`."""
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", SERVER],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def __enter__(self) -> "Verbs":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def run(
        self, home: Path, arguments: Sequence[object], *, rename: int = 0,
        seconds: float | None = None,
    ) -> Ending:  # fmt: skip
        """Run a verb to its end, or to its death at that rename or after so many seconds."""
        words = [str(word) for word in arguments]
        self._process.stdin.write(json.dumps([str(home), words, rename, seconds]) + "\n")
        self._process.stdin.flush()
        return Ending(*json.loads(self._process.stdout.readline()))
