"""Rounds of a cleansing after a kill or a cancel: the same question goes on, to the same bits."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from resuming import cancelled_after_saves, counted, damaged, full_disk, left
from tiny import dataset
from typer.testing import CliRunner

from influence_core.cleansing.rounds import Schedule
from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.disk import checkpoint as disk_checkpoint
from influence_core.disk.checkpoint import FOLDER, FORGOTTEN_SECONDS
from influence_core.errors import CancelledError
from influence_core.store.project import Project
from influence_core.workflow.cleanse import rounds as module
from influence_core.workflow.cleanse.cleansings import list_cleansings, load_cleansing
from influence_core.workflow.cleanse.find_harm import CleanseOptions, unfinished_rounds
from influence_core.workflow.cleanse.rounds import cleanse
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.resume import parts_at

TARGET = TargetSplit("valid")
PLAN = Schedule(step=0.05, most=0.15, patience=0)
ALL = 4  # rounds of this plan
QUESTION = CleanseOptions(TARGET, drop=0.15, step=0.05, patience=0)
ARGUMENTS = ["--target-split", "valid", "--drop", "0.15", "--step", "0.05", "--patience", "0"]
# The verb in a process of its own, which stands still after its second round.
VERB = """
import sys, time
from influence_core.cli import app
from influence_core.disk.checkpoint import Parts
keep, kept = Parts.keep, []
def still(self, name, *what):
    keep(self, name, *what)
    kept.append(name)
    if len(kept) == 2:
        print("two", flush=True)
        time.sleep(600)
Parts.keep = still
app(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    parts = {
        name: {"text": s.texts(), "label": s.labels.tolist(), "id": s.ids}
        for name, s in dataset(80).splits.items()
    }
    parts["train"]["label"][:8] = [1 - y for y in parts["train"]["label"][:8]]
    folder = tmp_path_factory.mktemp("home") / "noisy"
    made = Project.create(folder, "Noisy", build_dataset(parts, ["bad", "good"]), "minilm")
    for _ in range(2):
        train(made, TrainOptions(members=2, width=32, epochs=5, device="cpu"))
    return made.root


@pytest.fixture(scope="module")
def sessions(root):
    """Of both runs, the newest first."""
    made = Project.open(root)
    return [open_session(made, run.id, "cpu") for run in made.runs()]


@pytest.fixture
def session(sessions):
    shutil.rmtree(sessions[0].project.root / FOLDER, ignore_errors=True)
    return sessions[0]


@pytest.fixture(scope="module")
def unbroken(sessions):
    return cleanse(sessions[0], TARGET, PLAN)


@pytest.fixture
def fits(monkeypatch):
    """One entry a training that was begun."""
    return counted(monkeypatch, module, "fit_heads")


def begun(session):
    return parts_at(session.project.root / FOLDER / "rounds-some", session)


def stop_after(session, number, **also):
    """Rounds that end as a round is told."""

    def stop(event):
        if event.done == number:
            raise CancelledError("stopped")

    with pytest.raises(CancelledError):
        cleanse(session, TARGET, PLAN, progress=stop, unfinished=begun(session), **also)


def again(session, target=TARGET, plan=PLAN, **also):
    return cleanse(session, target, plan, unfinished=begun(session), **also)


def undated(found):
    return replace(found, computed=tuple(replace(edit, when="") for edit in found.computed))


def assert_same(some, others):
    assert len(some) == len(others)
    for a, b in zip(some, others, strict=True):
        assert a.number == b.number
        for name in ("removed", "scores", "stderr"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name), strict=True)
        one, other = vars(a.measured), vars(b.measured)
        for name in ("harm", "stderr"):
            np.testing.assert_array_equal(one[name], other[name], strict=True)
        figures = [name for name in one if name not in ("harm", "stderr")]
        assert len(figures) == 4
        assert [one[name] for name in figures] == [other[name] for name in figures]


def test_ended_rounds_go_on_like_unbroken_ones_and_are_told_again(session, unbroken, fits):
    stop_after(session, 1)
    assert len(fits) == 2
    told = []
    resumed = again(session, progress=told.append)
    assert len(fits) == ALL
    assert_same(resumed, unbroken)
    fresh = []
    cleanse(session, TARGET, PLAN, progress=fresh.append)
    assert told == fresh
    assert [event.done for event in told] == list(range(ALL))


def test_a_cancel_within_a_training_goes_on_after_its_last_epoch(
    session, unbroken, fits, monkeypatch
):
    cancel, epochs = cancelled_after_saves(monkeypatch, 8)
    with pytest.raises(CancelledError):
        again(session, cancel=cancel)
    assert len(fits) == 2  # 5 epochs of the first round and 3 of the second
    epochs.clear()
    assert_same(again(session), unbroken)
    assert len(epochs) == ALL * 5 - 8


def test_a_killed_verb_goes_on_and_its_file_goes_when_the_list_is_kept(session, fits):
    root = session.project.root
    arguments = ["cleanse", str(root), *ARGUMENTS, "--device", "cpu", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-c", VERB, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout.readline() == "two\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    mine = unfinished_rounds(session, QUESTION).stem.name
    assert [path.name.startswith(mine) for path in left(session)] == [True, True]
    assert not list_cleansings(session.project)
    trained, lists = [], []
    for _ in range(2):  # one that goes on, and one from the start
        fits.clear()
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
        assert not left(session)
        trained.append(len(fits))
        lists.append(json.loads(done.stdout)["cleansing"])
    assert trained == [ALL - 2, ALL]
    first, second = (undated(load_cleansing(session.project, name)) for name in lists)
    assert first == second
    assert len(first.rounds) == ALL


def test_a_verb_that_was_ended_in_its_trial_has_its_rounds_at_once(session, fits, monkeypatch):
    from influence_core.cli.clean import cleanse as verbs

    def ended(*args, **kwargs):
        raise CancelledError("Stopped on request; what was finished before is kept.")

    arguments = ["cleanse", str(session.project.root), *ARGUMENTS, "--device", "cpu"]
    with monkeypatch.context() as patched:
        patched.setattr(verbs, "run_trial", ended)
        assert CliRunner().invoke(app, [*arguments, "--try"]).exit_code == 130
    assert len(fits) == ALL
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert len(fits) == ALL


@pytest.mark.parametrize(
    "other",
    [
        {"plan": replace(PLAN, most=0.1)},
        {"plan": replace(PLAN, patience=5)},
        {"target": TargetSplit("test")},
        {"target": TargetSplit("valid", "good")},
        {"name": "turnover"},
    ],
    ids=str,
)
def test_another_question_begins_anew_even_under_the_same_name(session, fits, other):
    stop_after(session, 1)
    fits.clear()
    asked = {"target": TARGET, "plan": PLAN, **other}
    found = again(session, **asked)
    assert len(fits) == len(found)
    assert_same(found, cleanse(session, **asked))


def test_another_run_begins_anew(session, sessions, fits):
    stop_after(session, 1)
    fits.clear()
    found = again(sessions[1])
    assert len(fits) == ALL
    assert_same(found, cleanse(sessions[1], TARGET, PLAN))


def test_other_code_begins_anew(session, unbroken, fits, monkeypatch):
    stop_after(session, 1)
    fits.clear()
    monkeypatch.setattr(disk_checkpoint, "of_code", lambda: "other")
    assert_same(again(session), unbroken)
    assert len(fits) == ALL


def test_another_number_of_threads_begins_anew(session, fits):
    """The scan adds up in another order then, so the last bits of its sums are others."""
    stop_after(session, 1)
    fits.clear()
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert_same(again(session), cleanse(session, TARGET, PLAN))
    finally:
        torch.set_num_threads(threads)
    assert len(fits) == 2 * ALL


def test_rounds_of_other_rows_are_measured_anew(session, unbroken, fits, monkeypatch):
    stop_after(session, 1)
    fits.clear()
    monkeypatch.setattr(module, "of_positions", lambda kept: f"other {len(kept)}")
    assert_same(again(session), unbroken)
    assert len(fits) == ALL


def test_every_question_and_run_has_a_name_of_its_own(sessions):
    ask = CleanseOptions(TARGET)
    others = [
        replace(ask, target=TargetSplit("test")),
        replace(ask, target=TargetSplit("valid", "good")),
        replace(ask, estimator="turnover"),
        replace(ask, by="fraction"),
        replace(ask, drop=0.2),
        replace(ask, step=0.01),
        replace(ask, patience=0),
    ]
    names = {unfinished_rounds(sessions[0], one).stem for one in [ask, *others]}
    names.add(unfinished_rounds(sessions[1], ask).stem)
    assert len(names) == len(others) + 2
    # Decisions are added afterwards: the rounds are the same.
    assert unfinished_rounds(sessions[0], replace(ask, decisions=True)).stem in names


def test_a_damaged_file_is_ignored(session, unbroken, fits):
    again(session)
    for _ in damaged(max(left(session), key=lambda file: file.stat().st_mtime_ns)):
        fits.clear()
        assert_same(again(session), unbroken)
        assert len(fits) == 1


def test_a_full_disk_costs_the_resume_and_not_the_work(session, unbroken, monkeypatch):
    tried = full_disk(monkeypatch)
    assert_same(again(session), unbroken)
    assert len(tried) == ALL
    assert not left(session)


def test_forgotten_rounds_of_another_question_go(session):
    stop_after(session, 1)
    unfinished_rounds(session, CleanseOptions(TARGET))
    assert len(left(session)) == 2
    long_ago = time.time() - FORGOTTEN_SECONDS - 60
    for path in left(session):
        os.utime(path, (long_ago, long_ago))
    mine = unfinished_rounds(session, QUESTION)
    cleanse(session, TARGET, replace(PLAN, most=0.05), unfinished=mine)
    assert [path.name.startswith(mine.stem.name) for path in left(session)] == [True, True]
    for path in left(session):
        os.utime(path, (long_ago, long_ago))
    unfinished_rounds(session, QUESTION)
    assert len(left(session)) == 2  # whoever asks this has not forgotten it
