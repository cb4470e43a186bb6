"""A disk that runs full under a verb: one sentence, nothing half-written, the next try works."""

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "full_disk.py"
MOUNT = 'mount -t tmpfs -o size=6m tmpfs "$0" && exec "$@"'


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What every verb did with how much room, in its order."""
    disk = str(tmp_path_factory.mktemp("disk"))
    try:
        alone = ["unshare", "-rm", "sh", "-c", MOUNT, disk]
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk of its own can be mounted here")
    done = subprocess.run(
        [*alone, sys.executable, str(SCRIPT), disk],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = defaultdict(list)
    for line in map(json.loads, done.stdout.splitlines()):
        found[line["verb"]].append(line)
    return found


VERBS = ["train", "finetune", "evaluate", "cleanse", "export", "labels"]


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_is_one_sentence_and_the_next_try_works(told, verb):
    codes = [line["code"] for line in told[verb]]
    assert codes[0] == 1
    assert codes[-1] == 0
    for line in told[verb]:
        assert line["crash"] == "None", line
        if line["code"]:
            assert line["said"].startswith("Error: Cannot write "), line
            assert line["said"].endswith(": the disk is full; free some space and try again.\n")
            assert line["said"].count("\n") == 1


@pytest.mark.parametrize("verb", VERBS)
def test_a_full_disk_leaves_nothing_half_written(told, verb):
    for line in told[verb]:
        assert not [name for name in line["new"] if ".tmp" in name], line
        if line["code"]:
            runs = [name for name in line["new"] if name.count("/") == 2 and "/runs/" in name]
            assert not runs, line
            assert not line["gone"]
            # What an encoder gives is kept for the next try; what a network gives belongs to it.
            assert verb != "finetune" or not [name for name in line["new"] if "features" in name]
