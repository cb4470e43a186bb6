"""A training of a head that was stopped goes on, and ends with the bits of an unbroken one."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toy_rows import CONFIG, TRAINING, clouds

from influence_core.disk.checkpoint import Checkpoint
from influence_core.errors import CancelledError
from influence_core.training.heads import checkpoint as module
from influence_core.training.heads.checkpoint import HeadCheckpoint, identity
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining

FREE = HeadTraining(batch=16, learning_rate=2e-2, seed=5)  # stops by itself


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)


def at(folder, rows, training, config=CONFIG, **about):
    file = Checkpoint(folder / "head.safetensors", identity(rows, config, training, about))
    return HeadCheckpoint(file)


def stopped(folder, rows, training, after):
    """Cancel in the epoch after `after` whole ones."""
    cancel = threading.Event()

    def stop(event):
        if event.done == after:
            cancel.set()

    with pytest.raises(CancelledError):
        fit_heads(
            rows, CONFIG, training, progress=stop, cancel=cancel,
            checkpoint=at(folder, rows, training),
        )  # fmt: skip


def assert_same(one, other):
    for name in ("W1", "b1", "W2"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert one.epochs == other.epochs
    assert one.history == other.history
    assert (one.aum is None and other.aum is None) or np.array_equal(one.aum, other.aum)


def told_of(rows, training, checkpoint=None, watch=None):
    told = []
    fit = fit_heads(
        rows, CONFIG, training, progress=told.append, checkpoint=checkpoint, watch=watch
    )
    return fit, told


def watch(params):
    return {"size": float(params[0].abs().sum())}


@pytest.mark.parametrize("training", [TRAINING, FREE], ids=["fixed", "free"])
def test_resumed_equals_unbroken_to_the_bit(tmp_path, training):
    rows = clouds()[0]
    whole, told = told_of(rows, training)
    stopped(tmp_path, rows, training, 2)
    again, told_again = told_of(rows, training, at(tmp_path, rows, training))
    assert_same(again, whole)
    assert told_again == told


def test_only_what_is_left_is_trained_and_what_was_watched_is_told_again(tmp_path):
    rows = clouds()[0]
    _, told = told_of(rows, TRAINING, at(tmp_path, rows, TRAINING), watch)
    looks = []

    def count(params):
        looks.append(1)
        return watch(params)

    # Killed after its last epoch, as in the scoring that follows: no epoch is left.
    _, again = told_of(rows, TRAINING, at(tmp_path, rows, TRAINING), count)
    assert again == told
    assert not looks


def test_a_training_that_had_stopped_by_itself_stays_stopped(tmp_path):
    rows = clouds()[0]
    whole, told = told_of(rows, FREE, at(tmp_path, rows, FREE))
    assert len(told) < FREE.most_epochs(len(rows.features))
    again, told_again = told_of(rows, FREE, at(tmp_path, rows, FREE))
    assert_same(again, whole)
    assert told_again == told


def test_groups_go_on_too(tmp_path):
    rows = clouds()[0]
    rows = replace(rows, weights=torch.rand(len(rows.features), 3).round() + 0.5)
    whole = fit_heads(rows, CONFIG, TRAINING)
    stopped(tmp_path, rows, TRAINING, 3)
    again = fit_heads(rows, CONFIG, TRAINING, checkpoint=at(tmp_path, rows, TRAINING))
    assert_same(again, whole)


def test_what_decides_the_result_decides_whose_a_checkpoint_is(tmp_path):
    rows = clouds()[0]
    stopped(tmp_path, rows, TRAINING, 2)
    assert at(tmp_path, rows, TRAINING).load() is not None
    labels = rows.labels.clone()
    labels[3] = (labels[3] + 1) % 3
    others = [
        at(tmp_path, rows, replace(TRAINING, learning_rate=1e-3)),
        at(tmp_path, rows, replace(TRAINING, epochs=7)),
        at(tmp_path, rows, TRAINING, replace(CONFIG, seed=2)),
        at(tmp_path, replace(rows, labels=labels), TRAINING),
        at(tmp_path, replace(rows, keys=rows.keys.flip(0)), TRAINING),
        at(tmp_path, replace(rows, weights=torch.ones(90, 1)), TRAINING),
        at(tmp_path, rows, TRAINING, code="0.0.0"),
        at(tmp_path, clouds(60)[0], TRAINING),
    ]
    assert [other.load() for other in others] == [None] * len(others)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def emptied(path):
    path.write_bytes(b"")


def flipped_bit(path):
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)


def other_record(path):
    with safe_open(path, framework="pt") as file:
        record = json.loads(file.metadata()["turnover"])
    record["record"]["passes"] += 1
    save_file(load_file(path), path, metadata={"turnover": json.dumps(record)})


def no_record(path):
    save_file(load_file(path), path)


@pytest.mark.parametrize("damage", [cut, emptied, flipped_bit, other_record, no_record])
def test_a_damaged_checkpoint_is_ignored(tmp_path, damage):
    rows = clouds()[0]
    stopped(tmp_path, rows, TRAINING, 2)
    checkpoint = at(tmp_path, rows, TRAINING)
    assert checkpoint.load() is not None
    damage(checkpoint.file.path)
    assert checkpoint.load() is None
    fit, told = told_of(rows, TRAINING, checkpoint)
    assert_same(fit, told_of(rows, TRAINING)[0])
    assert len(told) == TRAINING.epochs


def test_a_quick_training_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 60.0)
    rows = clouds()[0]
    fit_heads(rows, CONFIG, TRAINING, checkpoint=at(tmp_path, rows, TRAINING))
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_costs_the_resume_only(tmp_path):
    rows = clouds()[0]
    (tmp_path / "file").write_text("")
    fit = fit_heads(rows, CONFIG, TRAINING, checkpoint=at(tmp_path / "file", rows, TRAINING))
    assert_same(fit, told_of(rows, TRAINING)[0])
