"""Verbs killed at each of their renames: nothing half made is left, and the next try works."""

import json
import signal
import subprocess
import sys

import pytest
from tiny import project, sentences

from influence_core.store.project import list_projects, projects_home
from influence_core.workflow.train.head import TrainOptions, train

MOST_RENAMES = 40
# Imports once, then forks a child for each command, which dies of SIGKILL at its n-th rename.
SERVER = """
import json, os, signal, sys
from typer.testing import CliRunner
import influence_core.workflow.projects.create, influence_core.workflow.review.queue
from influence_core.cli import app

for line in sys.stdin:
    home, arguments, count = json.loads(line)
    if not (child := os.fork()):
        os.environ["TURNOVER_HOME"] = home
        seen = 0
        def die(event, args):
            global seen
            seen += event == "os.rename"
            if event == "os.rename" and seen == count:
                os.kill(os.getpid(), signal.SIGKILL)
        sys.addaudithook(die)
        done = CliRunner().invoke(app, arguments)
        print(done.output, file=sys.stderr)
        os._exit(done.exit_code)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
KILLED = -signal.SIGKILL


@pytest.fixture(scope="module")
def server():
    command = [sys.executable, "-W", "ignore", "-c", SERVER]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


@pytest.fixture
def deaths(server):
    """Run a verb that dies at its first rename, then at its second, until it lives; how often."""

    def run(arguments, after):
        for count in range(1, MOST_RENAMES):
            said = [str(projects_home()), [str(word) for word in arguments], count]
            server.stdin.write(json.dumps(said) + "\n")
            server.stdin.flush()
            status = int(server.stdout.readline())
            after(status)
            if status != KILLED:
                return count - 1
        raise AssertionError("it does not end")

    return run


def test_a_new_project_is_whole_or_not_there(tmp_path, deaths):
    lines = [f"{text},{label}" for text, label in zip(*sentences(60), strict=True)]
    (tmp_path / "mine.csv").write_text("\n".join(["text,label", *lines]))

    def whole(status):
        for found in list_projects(projects_home()):
            assert sum(map(len, found.dataset)) == 60
        assert status in (KILLED, 0, 1)  # 1: the one before died after all was there

    assert deaths(["new", tmp_path / "mine.csv", "--name", "mine"], whole)
    assert len(list_projects(projects_home())) == 1


@pytest.mark.parametrize("verb", ["labels", "decisions", "export"])
def test_a_file_that_is_written_is_whole_or_not_there(tmp_path, deaths, verb):
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=3))
    arguments = [verb, "tiny", "--out", tmp_path / "out.csv"]
    arguments += ["--overwrite"] * (verb == "export")
    seen = set()

    def whole(status):
        path = tmp_path / "out.csv"
        seen.add(path.read_bytes() if path.exists() else None)
        assert status in (KILLED, 0)

    assert deaths(arguments, whole)
    assert len(seen - {None}) == 1
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")]
