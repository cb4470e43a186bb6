"""What killed processes left goes at the next start; what living ones write stays."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tiny import project

from influence_core.disk.atomic import atomic_file, atomic_folder
from influence_core.disk.checkpoint import FOLDER, FORGOTTEN_SECONDS
from influence_core.disk.temporary import TEMPORARY
from influence_core.store.project import Project
from influence_core.store.samples import install_samples

# In the middle of all that this program writes, and still there: until it is killed.
WRITER = """
import sys, time
from pathlib import Path
from contextlib import ExitStack
from influence_core.disk.atomic import atomic_file, atomic_folder
from influence_core.disk.temporary import temporary_folder
from influence_core.store.project import Project
root = Path(sys.argv[1])
with ExitStack() as stack:
    def enter(context):
        return stack.enter_context(context)
    writer = enter(Project.open(root).new_run("head", {}, 0, "f"))
    (writer._open / "half").write_bytes(b"half")
    for path in ("exports/out.csv", "features/0123/train.npy", "features/0123/train.json",
                 "checkpoints/head-1.safetensors", "cleansings/1.json", "jobs/1/progress.json"):
        enter(atomic_file(root / path)).write_bytes(b"half")
    (enter(atomic_folder(root / "jobs" / "2")) / "job.json").write_bytes(b"half")
    (enter(atomic_folder(root.parent / "made")) / "project.toml").write_bytes(b"half")
    enter(temporary_folder(root / "exports" / "folder"))
    print("writing", flush=True)
    time.sleep(600)
"""


def temporaries(home):
    return sorted(home.rglob(f"{TEMPORARY}*"))


@pytest.fixture
def home(tmp_path):
    project(tmp_path / "home" / "films", 6)
    return tmp_path / "home"


def test_what_a_killed_process_left_goes_at_the_next_start(home, tmp_path):
    films = home / "films"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(films)], stdout=subprocess.PIPE)
    writer.stdout.readline()
    with atomic_folder(films / "runs" / "mine") as mine, atomic_file(films / "a.json") as file:
        own = [mine, file.parent]
        assert len(temporaries(home)) == 10 + len(own)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        install_samples(home, tmp_path)  # what the dashboard does first
        assert temporaries(home) == sorted(own)
        file.write_text("whole")
    assert not temporaries(home)


def test_a_training_tidies_its_own_project(home):
    folder = home / "films" / "exports" / f"{TEMPORARY}out.csv-1-0123456789ab"
    folder.mkdir(parents=True)
    with Project.open(home / "films").new_run("head", {}, 0, "f"):
        assert not folder.exists()


def test_forgotten_checkpoints_go_at_the_next_start_whatever_is_asked_for_then(home, tmp_path):
    """B8: those of abandoned fine-tuning stayed for ever."""
    folder = home / "films" / FOLDER
    for name in ("0123456789abcdef/checkpoint.safetensors", "network-1.safetensors", "head-1"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    install_samples(home, tmp_path)
    assert len(list(folder.iterdir())) == 3
    then = time.time() - FORGOTTEN_SECONDS - 60
    for path in folder.iterdir():
        os.utime(path, (then, then))
    install_samples(home, tmp_path)
    assert not list(folder.iterdir())
