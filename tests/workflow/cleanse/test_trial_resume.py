"""Trials and sweeps after a kill or a cancel: the same call goes on, to the same bits."""

import shutil
import threading

import numpy as np
import pandas as pd
import pytest
from resuming import cancelled_after_saves, counted, damaged, full_disk, left
from tiny import project

from influence_core.cleansing.choose import Selection
from influence_core.disk import checkpoint as disk_checkpoint
from influence_core.disk.checkpoint import FOLDER
from influence_core.errors import CancelledError
from influence_core.evaluation import retrain as module
from influence_core.store.project import Project
from influence_core.workflow.cleanse import trials
from influence_core.workflow.cleanse.cleansings import Cleansing, save_cleansing
from influence_core.workflow.cleanse.export import edits_of
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cleanse.trial import trial
from influence_core.workflow.evaluate.arms import RANDOM_DRAWS
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.resume import parts_at

CHANGE = Selection(np.arange(8), {20: 0, 21: 1})
SPLITS = ["valid", "test"]
ARMS = 2 + RANDOM_DRAWS
EPOCHS = 5


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """Of both runs, the newest first."""
    made = project(tmp_path_factory.mktemp("home") / "tiny", 80)
    for seed in (0, 1):
        train(made, TrainOptions(members=2, width=32, epochs=EPOCHS, seed=seed, device="cpu"))
    made = Project.open(made.root)
    return [open_session(made, run.id, "cpu") for run in made.runs()]


@pytest.fixture(autouse=True)
def an_arm_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", 1)


@pytest.fixture
def session(sessions):
    for folder in (FOLDER, "cleansings"):
        shutil.rmtree(sessions[0].project.root / folder, ignore_errors=True)
    return sessions[0]


@pytest.fixture
def fits(monkeypatch):
    """One entry a training that was begun."""
    return counted(monkeypatch, module, "fit_heads")


def begun(session):
    return parts_at(session.project.root / FOLDER / "trial-some", session)


def list_of(session, change=CHANGE):
    edits = tuple(edits_of(session, change, "because"))
    kept = Cleansing(TargetSplit("valid"), "flipped-ridge", "count", edits, run=session.run.id)
    return save_cleansing(session, kept)


def again(session, change=CHANGE, splits=SPLITS, seeds=2, **also):
    return trial(session, change, splits, seeds=seeds, unfinished=begun(session), **also)


def stop_after(work, arms):
    """Work that is cancelled when so many arms are done."""
    cancel = threading.Event()

    def stop(event):
        if event.done == arms:
            cancel.set()

    with pytest.raises(CancelledError):
        work(progress=stop, cancel=cancel)


def assert_same(one, other):
    for a, b in ((one.table, other.table), (one.recall, other.recall)):
        pd.testing.assert_frame_equal(a, b, check_exact=True)
    assert one.verdicts == other.verdicts
    assert one.differences == other.differences


def test_a_cancelled_trial_ends_like_an_unbroken_one(session, fits):
    stop_after(lambda **how: again(session, **how), 2)
    assert len(fits) == 2
    told = []
    resumed = again(session, progress=told.append)
    assert len(fits) == ARMS
    assert [event.done for event in told[:2]] == [1, 2]
    assert told[-1].done == told[-1].total == ARMS
    assert_same(resumed, trial(session, CHANGE, SPLITS, seeds=2))


def test_the_log_probabilities_are_the_same_to_the_bit(session, fits, monkeypatch):
    seen, real = [], module.retrain
    monkeypatch.setattr(
        "influence_core.workflow.evaluate.arms.retrain",
        lambda *args, **kwargs: seen.append(real(*args, **kwargs)) or seen[-1],
    )
    stop_after(lambda **how: again(session, **how), 3)
    again(session)
    trial(session, CHANGE, SPLITS, seeds=2)
    assert len(fits) == 2 * ARMS
    resumed, unbroken = seen
    np.testing.assert_array_equal(resumed, unbroken, strict=True)


def test_an_arm_under_way_goes_on_after_its_last_epoch(session, fits, monkeypatch):
    cancel, epochs = cancelled_after_saves(monkeypatch, 8)
    with pytest.raises(CancelledError):
        again(session, cancel=cancel)
    assert len(fits) == 2
    epochs.clear()
    resumed = again(session)
    assert len(epochs) == ARMS * EPOCHS - 8
    assert_same(resumed, trial(session, CHANGE, SPLITS, seeds=2))


def test_a_tried_list_goes_on_and_its_file_goes_when_the_result_is_kept(session, fits):
    name = list_of(session)
    stop_after(lambda **how: trials.run_trial(session, name, seeds=2, **how), 2)
    assert len(left(session)) == 2
    assert trials.kept_trial(session.project, name) is None
    resumed = trials.run_trial(session, name, seeds=2)
    assert len(fits) == ARMS
    assert not left(session)
    assert_same(resumed, trial(session, CHANGE, SPLITS, seeds=2))


def test_another_list_of_the_same_edits_goes_on_too(session, fits):
    """Who asks `cleanse --try` again after a kill in the trial gets a list of a new name."""
    stop_after(lambda **how: trials.run_trial(session, list_of(session), seeds=2, **how), 2)
    fits.clear()
    trials.run_trial(session, list_of(session), seeds=2)
    assert len(fits) == ARMS - 2
    assert not left(session)


def test_a_sweep_goes_on_within_its_share(session, fits):
    name = list_of(session, Selection(np.arange(8)))
    shares = (0.05, 0.1)
    cancel, begun = threading.Event(), module.fit_heads

    def stop_in_the_second(*args, **kwargs):
        if len(fits) == ARMS + 2:
            cancel.set()
        return begun(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "fit_heads", stop_in_the_second)
        with pytest.raises(CancelledError):
            trials.run_sweep(session, name, shares, seeds=2, cancel=cancel)
    assert len(left(session)) == 2
    fits.clear()
    resumed = trials.run_sweep(session, name, shares, seeds=2)
    assert len(fits) == ARMS - 2
    assert not left(session)
    fresh = trials.run_sweep(session, list_of(session, Selection(np.arange(8))), shares, seeds=2)
    pd.testing.assert_frame_equal(resumed, fresh, check_exact=True)


@pytest.mark.parametrize(
    "other",
    [
        {"change": Selection(np.arange(1, 9), CHANGE.relabelled)},
        {"change": Selection(CHANGE.removed, {20: 1, 21: 0})},
        {"splits": ["test", "valid"]},
        {"splits": ["test"]},
        {"seeds": 3},
    ],
    ids=["rows", "labels", "order of splits", "splits", "seeds"],
)
def test_another_trial_begins_anew_even_under_the_same_name(session, fits, other):
    stop_after(lambda **how: again(session, **how), 2)
    fits.clear()
    found = again(session, **other)
    assert len(fits) == ARMS
    asked = {"change": CHANGE, "splits": SPLITS, "seeds": 2, **other}
    assert_same(found, trial(session, **asked))


def test_another_run_and_other_code_begin_anew(session, sessions, fits, monkeypatch):
    stop_after(lambda **how: again(session, **how), 2)
    fits.clear()
    assert_same(again(sessions[1]), trial(sessions[1], CHANGE, SPLITS, seeds=2))
    assert len(fits) == 2 * ARMS
    again(session)
    fits.clear()
    monkeypatch.setattr(disk_checkpoint, "of_code", lambda: "other")
    again(session)
    assert len(fits) == ARMS


def test_a_damaged_file_is_ignored(session, fits):
    unbroken = trial(session, CHANGE, SPLITS, seeds=2)
    again(session)
    for _ in damaged(left(session)[0]):
        fits.clear()
        assert_same(again(session), unbroken)
        assert len(fits) == 1


def test_a_full_disk_costs_the_resume_and_not_the_work(session, monkeypatch):
    unbroken = trial(session, CHANGE, SPLITS, seeds=2)
    tried = full_disk(monkeypatch)
    assert_same(again(session), unbroken)
    assert len(tried) == ARMS
    assert not left(session)
