"""A child that reads for us: its answer, its errors, its limits, and that it never outlives us."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from influence_core.errors import CancelledError, DataError, ResourceError
from influence_core.jobs.guarded import Limits, run_guarded

LIMITS = Limits(memory=400 << 20, cpu_seconds=60)
CHILD = """
import os, sys, time
from influence_core.errors import DataError
from influence_core.jobs.guarded import answer
from influence_core.progress import Progress

def handle(request, tell):
    what = request["what"]
    print("noise of a library")
    if what == "echo":
        tell(Progress("read", 1, 1))
        return {"said": request["words"]}
    if what == "refuse":
        raise DataError("this is refused")
    if what == "break":
        raise RuntimeError("a bug")
    if what == "memory":
        held = [bytearray(os.urandom(1 << 20)) for _ in range(100_000)]
    if what == "one block":
        held = bytearray(1 << 36)
    if what == "die":
        os.kill(os.getpid(), 9)
    while what == "spin":
        pass
    time.sleep(600)

answer(handle)
"""


@pytest.fixture(autouse=True)
def child(tmp_path, monkeypatch):
    (tmp_path / "guarded_child.py").write_text(CHILD)
    paths = [str(tmp_path), *os.environ.get("PYTHONPATH", str(Path.cwd())).split(os.pathsep)]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def ask(what, limits=LIMITS, **more):
    words = more.pop("words", "")
    return run_guarded("guarded_child", {"what": what, "words": words}, limits, **more)


def no_children():
    return not [p for p in psutil.Process().children() if "guarded_child" in " ".join(p.cmdline())]


def test_the_answer_comes_back_and_progress_is_heard():
    heard = []
    assert ask("echo", words="é\n\0", progress=heard.append) == {"said": "é\n\0"}
    assert any(event.done == 1 for event in heard)
    assert no_children()


@pytest.mark.parametrize(
    ("what", "kind", "sentence"),
    [
        ("refuse", DataError, "this is refused"),
        ("memory", ResourceError, "more than 400 MB of memory"),
        ("one block", ResourceError, "more than 400 MB of memory"),
        ("break", ResourceError, "without an answer"),
        ("die", ResourceError, r"code -9"),
    ],
)
def test_every_end_is_one_sentence(what, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        ask(what)
    assert "\n" not in str(caught.value)
    assert no_children()


def test_a_child_that_computes_for_too_long_is_ended():
    with pytest.raises(ResourceError, match="more than 2 seconds of a core"):
        ask("spin", Limits(LIMITS.memory, 2))


def test_cancel_and_an_interrupted_caller_end_the_child():
    cancel = threading.Event()
    threading.Timer(0.5, cancel.set).start()
    with pytest.raises(CancelledError):
        ask("sleep", cancel=cancel)
    assert no_children()

    class Rerun(BaseException):
        pass

    def interrupt(event):
        raise Rerun

    with pytest.raises(Rerun):
        ask("sleep", progress=interrupt)
    assert no_children()


def test_the_child_ends_with_its_parent(tmp_path):
    program = (
        "from influence_core.jobs.guarded import Limits, run_guarded\n"
        "run_guarded('guarded_child', {'what': 'sleep'}, Limits(1 << 29, 60))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program])
    found = []
    while not found:
        time.sleep(0.05)
        found = psutil.Process(parent.pid).children()
        # Its limits are set and its watch stands once it sleeps; wait for its first thread.
        found = [p for p in found if p.num_threads() > 1]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    psutil.wait_procs(found, timeout=600)
    assert not found[0].is_running()


def test_two_at_once_and_the_third_waits():
    cancel, heard = threading.Event(), []

    def sleep():
        with pytest.raises(CancelledError):
            ask("sleep", cancel=cancel)

    threads = [threading.Thread(target=sleep) for _ in range(2)]
    for thread in threads:
        thread.start()
    while sum("guarded_child" in " ".join(p.cmdline()) for p in psutil.Process().children()) < 2:
        time.sleep(0.02)

    def hear(event):
        heard.append(event.stage)
        cancel.set()

    ask("echo", progress=hear)
    for thread in threads:
        thread.join()
    assert heard[0] == "wait"


def test_nothing_but_json_is_spoken():
    with pytest.raises(TypeError):
        ask("echo", words={1, 2})
