"""Temporaries of killed writers go, those of living ones stay, whoever tidies up and when."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from influence_core.disk import temporary as module
from influence_core.disk.atomic import atomic_file, atomic_folder, write_text
from influence_core.disk.temporary import (
    STALE_SECONDS,
    TEMPORARY,
    remove_abandoned,
    temporary_folder,
)
from influence_core.errors import StoreError

# Holds temporaries of a file and of a folder until it is killed.
WRITER = """
import sys, time
from pathlib import Path
from influence_core.disk.atomic import atomic_file, atomic_folder
root = Path(sys.argv[1])
with atomic_file(root / "a.bin") as file, atomic_folder(root / "made") as folder:
    file.write_bytes(b"half")
    (folder / "half").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(600)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def aged(path, seconds=STALE_SECONDS + 60):
    then = time.time() - seconds
    for each in (*path.glob("*"), path):
        os.utime(each, (then, then))


def test_what_a_killed_writer_left_goes_at_once_and_what_a_living_one_writes_stays(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
    ) as writer:
        writer.stdout.readline()
        assert len(names(tmp_path)) == 2
        for path in tmp_path.iterdir():
            aged(path)  # a training may take more than a day
        remove_abandoned(tmp_path)
        assert len(names(tmp_path)) == 2
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        remove_abandoned(tmp_path, "a.bin")
        assert [name.startswith(f"{TEMPORARY}made-") for name in names(tmp_path)] == [True]
        remove_abandoned(tmp_path)
        assert names(tmp_path) == []


def test_what_this_process_writes_is_its_own(tmp_path):
    with atomic_file(tmp_path / "a") as file:
        file.write_text("whole")
        remove_abandoned(tmp_path)
    with atomic_folder(tmp_path / "b") as folder:
        remove_abandoned(tmp_path)
        (folder / "c").write_text("whole")
    assert names(tmp_path) == ["a", "b"]
    assert (tmp_path / "a").read_text() == "whole"


@pytest.mark.parametrize("old", [True, False])
def test_temporaries_that_nobody_could_lock_go_by_age(tmp_path, monkeypatch, old):
    """So are those of earlier versions, and all where a file system knows no locks."""
    (tmp_path / f"{TEMPORARY}run-123-0123abcd").mkdir()
    (tmp_path / f"{TEMPORARY}run-123-0123abcd" / "x").write_text("x")
    (tmp_path / f"{TEMPORARY}progress.json-123").write_text("x")
    (tmp_path / "kept").mkdir()
    with ExitStack() as stack:
        with monkeypatch.context() as patched:
            patched.setattr(module, "_lock", lambda descriptor, wait: None)
            stack.enter_context(temporary_folder(tmp_path / "a"))
            for path in tmp_path.iterdir():
                aged(path, STALE_SECONDS + 60 if old else 60)
            remove_abandoned(tmp_path)
        assert len(names(tmp_path)) == (1 if old else 4)
    assert "kept" in names(tmp_path)


def test_many_tidiers_never_take_a_living_writers_folder(tmp_path):
    """Also in the moment between its making and its lock."""
    over = threading.Event()

    def tidy():
        while not over.is_set():
            remove_abandoned(tmp_path)

    tidiers = [threading.Thread(target=tidy) for _ in range(3)]
    for tidier in tidiers:
        tidier.start()
    try:
        for number in range(200):
            write_text(tmp_path / f"{number}", "whole")
    finally:
        over.set()
        for tidier in tidiers:
            tidier.join()
    assert len(names(tmp_path)) == 200


def test_links_are_removed_and_not_followed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("x")
    link = tmp_path / f"{TEMPORARY}a-1-0123456789ab"
    link.symlink_to(tmp_path / "mine")
    os.utime(link, (0, 0), follow_symlinks=False)
    remove_abandoned(tmp_path)
    assert names(tmp_path) == ["mine"]
    assert names(tmp_path / "mine") == ["x"]


def test_a_missing_folder_is_tidy(tmp_path):
    remove_abandoned(tmp_path / "missing")
    (tmp_path / "file").write_text("")
    remove_abandoned(tmp_path / "file")
    with pytest.raises(StoreError), atomic_file(tmp_path / "file" / "a"):
        pass
