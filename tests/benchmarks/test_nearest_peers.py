"""The nearest peers are asked the same question as ours, where they are installed."""

import numpy as np
import pytest
import torch

from benchmarks import nearest_peers
from benchmarks.process import Measured
from benchmarks.run import same_model
from benchmarks.task import Task, with_own
from influence_core.evaluation.lds import lds
from influence_core.training.heads.replay import weight_gradients
from influence_core.training.heads.tape import Tape


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 76)
    X = rng.normal(size=(76, 6)).astype(np.float32)
    X[np.arange(76), y] += 2
    keys = np.arange(60, dtype=np.uint64)
    none = np.zeros((0, 16), np.float32)
    made = Task(
        "toy", X[:60], y[:60], keys, 3, X[60:], y[60:], 8, 4, np.zeros((60, 0)), none, none, None
    )
    return with_own(made, count=6)


def test_this_model_is_retrained_member_by_member(task):
    """A method is held against those members that it reads; a perfect one reaches 1."""
    assert task.own.shape == (12, 16, 16) and (~task.kept).sum(0).tolist() == [1] * 6 + [6] * 6
    membership = task.kept.astype(float).T
    for members in (1, 16):
        wanted = task.own[:, :members].mean(1)
        fitted = np.linalg.lstsq(membership, -wanted, rcond=None)[0].T  # (T, N), 12 equations
        found = same_model(task, Measured(fitted, 0, 0, 0, 0, 0, members))
        assert found.shape == (2, 16) and found.min() > 0.99
    assert same_model(task, Measured(fitted, 0, 0, 0, 0, 0, 0)) is None


@pytest.mark.filterwarnings("ignore")  # of Bergson's checkpoints
def test_magic_is_fed_the_very_training_that_replay_goes_through(task):
    pytest.importorskip("bergson")
    theirs = nearest_peers.magic(task).score(slice(0, 3))
    tape = Tape(task.rows, task.head(members=1), task.training(), range(1), 1 << 26)
    x, y = nearest_peers.goal(task, slice(0, 3))
    ours = -weight_gradients(tape, x, y, torch.eye(3)).sum(1).numpy()
    centred = theirs - theirs.mean(1, keepdims=True)  # ours counts weights relative to their mean
    assert np.abs(centred - ours).max() < 0.02 * np.abs(ours).max()


def test_dualda_gives_every_row_a_score_for_the_label(task):
    pytest.importorskip("dualxda")
    scores = nearest_peers.dualda(task, 1.0).score(slice(0, 16))
    assert scores.shape == (16, 60) and np.isfinite(scores).all()
    own = task.labels[None] == task.yt[:, None]
    assert scores[own].mean() > 0 > scores[~own].mean()
    assert np.isfinite(lds(scores @ task.kept, task.own.mean(1))).all()
