"""A disk that runs full under a verb, or is read-only: one sentence, nothing half-written, the next
try works."""

import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

SUPPORT = Path(__file__).parents[1] / "support"
MOUNT = 'mount -t tmpfs -o size="$0" tmpfs "$1" && shift && exec "$@"'


def on_a_disk_of_its_own(folder, size, script):
    """The lines that a script of `support` prints, run where a disk of this size is mounted."""
    try:
        alone = ["unshare", "-rm", "sh", "-c", MOUNT, size, str(folder)]
        subprocess.run([*alone, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk of its own can be mounted here")
    done = subprocess.run(
        [*alone, sys.executable, str(SUPPORT / script), str(folder)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What every verb did with how much room, in its order."""
    found = defaultdict(list)
    for line in on_a_disk_of_its_own(tmp_path_factory.mktemp("disk"), "6m", "full_disk.py"):
        found[line["verb"]].append(line)
    return found


def test_a_read_only_disk_is_one_sentence_for_every_verb(tmp_path):
    lines = on_a_disk_of_its_own(tmp_path, "64m", "read_only_disk.py")
    assert len(lines) == 19
    for line in lines:
        assert line["crash"] == "None", line
        if line["verb"] == "jobs":  # writes nothing
            assert line["code"] == 0
            continue
        assert line["code"] == 1, line
        said = line["said"].splitlines()[-1]
        assert re.match(
            "Error: (Cannot write .*read-only|The reviews in .* cannot be opened)", said
        )


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
