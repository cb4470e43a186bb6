"""Nothing that two processes change at once is lost."""

import subprocess
import sys
import threading

import pytest
from tiny import project

from influence_core.disk.atomic import read_json
from influence_core.disk.locks import locked, update_json
from influence_core.disk.names import projects_home
from influence_core.errors import CancelledError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.costs.rates import FILE
from influence_core.workflow.projects.hints import put_away

ADDER = """
import sys
from pathlib import Path
from influence_core.disk.locks import update_json
path, name = Path(sys.argv[1]), sys.argv[2]
for number in range(40):
    update_json(path, lambda kept: {**kept, f"{name}{number}": number})
"""


def test_changes_of_several_processes_are_all_there(tmp_path):
    path = tmp_path / "a.json"
    adders = [subprocess.Popen([sys.executable, "-c", ADDER, str(path), name]) for name in "abc"]
    assert [adder.wait(600) for adder in adders] == [0, 0, 0]
    assert len(read_json(path)) == 120


@pytest.mark.parametrize("content", [None, b"", b"[1]", b"{"])
def test_a_missing_or_damaged_file_counts_as_empty(tmp_path, content):
    path = tmp_path / "deep" / "a.json"
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    update_json(path, lambda kept: {**kept, "x": 1})
    assert read_json(path) == {"x": 1}


def test_a_change_that_fails_changes_nothing_and_frees_the_lock(tmp_path):
    path = tmp_path / "a.json"
    update_json(path, lambda kept: {"x": 1})
    with pytest.raises(ZeroDivisionError):
        update_json(path, lambda kept: {"x": 1 // 0})
    update_json(path, lambda kept: {**kept, "y": 2})
    assert read_json(path) == {"x": 1, "y": 2}


def test_who_waits_may_be_cancelled_and_waits_no_longer_than_asked(tmp_path):
    cancel = threading.Event()
    cancel.set()
    with locked(tmp_path / "a"):
        with pytest.raises(CancelledError), locked(tmp_path / "a", cancel=cancel):
            pass
        with (
            pytest.raises(StoreError, match="another process"),
            locked(tmp_path / "a", seconds=0.1),
        ):
            pass
    with locked(tmp_path / "a", seconds=0.1):
        pass


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Cannot write"), locked(tmp_path / "file" / "a"):
        pass


WRITER = """
import sys
from pathlib import Path
from influence_core.disk.names import projects_home
from influence_core.store.project import Project
from influence_core.workflow.costs.rates import _kept
from influence_core.workflow.projects.hints import put_hint_away
root, name, setting = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
print("ready", flush=True)
sys.stdin.readline()
for number in range(15):
    put_hint_away(projects_home(), name, str(number))
    _kept(f"{name} {number}", ("rate",), lambda: {"rate": 1.0})
    Project.open(root).with_settings(**{setting: f"{number}"})
"""


def test_hints_rates_and_settings_of_two_processes_are_all_there(tmp_path):
    root = project(projects_home() / "films", 6).root
    ask = [sys.executable, "-c", WRITER, str(root)]
    writers = [
        subprocess.Popen([*ask, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for names in (("ada", "default_estimator"), ("bob", "name"))
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    assert [writer.communicate()[0] == "" and writer.returncode for writer in writers] == [0, 0]
    for name in ("ada", "bob"):
        assert len(put_away(projects_home(), name)) == 15
    assert len(read_json(projects_home() / FILE)) == 30
    settings = Project.open(root).settings
    assert (settings.default_estimator, settings.name) == ("14", "14")
