"""The verb `train` after a kill or a cancel: the same call goes on, and ends with the same bits."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
from resuming import assert_same_run as assert_same
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.disk.checkpoint import FOLDER, FORGOTTEN_SECONDS
from influence_core.errors import CancelledError
from influence_core.store.project import Project
from influence_core.training.heads import checkpoint as head_checkpoint
from influence_core.workflow.train.head import TrainOptions, encode, train

OPTIONS = TrainOptions(members=2, width=32, epochs=6, seed=4, device="cpu")
# The verb in a process of its own, where every epoch is worth a file.
VERB = """
import sys
from influence_core.cli import app
from influence_core.training.heads import checkpoint
checkpoint.SECONDS = 0.0
app(sys.argv[1:])
"""


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(head_checkpoint, "SECONDS", 0.0)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny")
    return encode(made, device="cpu").root


@pytest.fixture
def made(encoded, tmp_path):
    return Project.open(shutil.copytree(encoded, tmp_path / "tiny"))


def kept(made):
    return list((made.root / FOLDER).glob("*"))


def stop_after(made, epochs, options=OPTIONS):
    cancel = threading.Event()

    def stop(event):
        if (event.stage, event.done) == ("train", epochs):
            cancel.set()

    with pytest.raises(CancelledError):
        train(made, options, progress=stop, cancel=cancel)


def epochs_behind(made, options):
    """Epochs that `train` tells before it trains: it stops before its first batch."""
    cancel, told = threading.Event(), []
    cancel.set()
    with pytest.raises(CancelledError):
        train(made, options, progress=told.append, cancel=cancel)
    return [event.done for event in told if event.stage == "train"]


@pytest.mark.parametrize("epochs", [6, None])
def test_a_cancelled_training_ends_like_an_unbroken_one(made, epochs):
    options = replace(OPTIONS, epochs=epochs)
    stop_after(made, 2, options)
    assert not made.runs()
    assert len(kept(made)) == 1
    assert epochs_behind(made, options) == [1, 2]
    resumed = train(made, options)
    assert not kept(made)
    assert_same(resumed, train(made, options))
    assert not kept(made)


@pytest.mark.slow
def test_a_training_killed_in_the_verb_ends_like_an_unbroken_one(made):
    arguments = [
        "train", str(made.root), "--members", "4", "--width", "64", "--epochs", "400",
        "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", VERB, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 600
    while not (found := list((made.root / FOLDER).glob("*.safetensors"))):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert found[0].is_file()  # in the middle: it had not ended
    assert not made.runs()
    trained = []
    for _ in range(2):  # one that goes on, and one from the start
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert not kept(made)
        trained.append(made.latest_run())
    assert trained[0].id != trained[1].id
    assert_same(*trained)


def test_other_options_and_other_data_begin_anew(made, tmp_path):
    stop_after(made, 2)
    mine = kept(made)
    other = replace(OPTIONS, seed=5)
    assert epochs_behind(made, other) == []
    run = train(made, other)
    assert kept(made) == mine  # it may still be gone on with
    assert_same(run, train(made, other))
    elsewhere = project(tmp_path / "elsewhere", seed=9)
    fresh = train(elsewhere, OPTIONS)
    # Even under the name that a training of this data would look for.
    stop_after(elsewhere, 2)
    (name,) = (path.name for path in kept(elsewhere))
    shutil.copy(mine[0], elsewhere.root / FOLDER / name)
    assert epochs_behind(elsewhere, OPTIONS) == []
    assert_same(train(elsewhere, OPTIONS), fresh)


def test_a_damaged_checkpoint_is_ignored(made):
    stop_after(made, 2)
    kept(made)[0].write_bytes(b"no checkpoint")
    assert epochs_behind(made, OPTIONS) == []
    run = train(made, OPTIONS)
    assert not kept(made)
    assert_same(run, train(made, OPTIONS))


def test_a_forgotten_checkpoint_of_another_training_goes(made):
    stop_after(made, 2)
    long_ago = time.time() - FORGOTTEN_SECONDS - 60
    os.utime(kept(made)[0], (long_ago, long_ago))
    train(made, replace(OPTIONS, seed=5))
    assert not kept(made)


def test_the_page_hears_of_the_sides_and_the_run_keeps_epochs_only(made):
    told = []
    run = train(made, OPTIONS, progress=told.append)
    sides = [event for event in told if event.stage == "sides"]
    assert sides[-1].done == sides[-1].total == len(made.dataset.train)
    assert {event["stage"] for event in run.progress()} == {"train"}
