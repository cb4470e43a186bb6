"""The benchmark table: what it promises is checked, and a project of one's own can be its set."""

import numpy as np
import pandas as pd
import pytest
from tiny import project

from benchmarks import ours
from benchmarks.process import Measured
from benchmarks.run import markdown, row
from benchmarks.task import make_task
from benchmarks.verdict import Line, against_peers, ceiling_share, digits_limits
from influence_core.evaluation.lds import lds
from influence_core.workflow.train.head import TrainOptions, train


def cost(seconds):
    return Measured(np.zeros((4, 5)), seconds, seconds, 0.0, 0.05, 3.0)


def line(name, level, peer=False, seconds=1.0):
    values = np.array([level, level + 0.02, level, level + 0.02])
    return Line(name, peer, values, cost(seconds))


def test_a_better_and_cheaper_default_meets_everything():
    told = against_peers(
        line("mine", 0.8, seconds=0.1), [line("a", 0.3, True), line("b", 0.7, True, 10)], 2
    )
    assert len(told) == 4
    assert all("b 0.71" in t for t in told if "against b" in t)
    assert not any("missed" in t for t in told)


def test_a_worse_or_dearer_default_is_said_to_miss():
    mine = line("mine", 0.5, seconds=1.0)
    told = against_peers(mine, [line("peer", 0.7, True, 1.0)], 2)
    assert sum(t.count("**missed**") for t in told) == 2 + 4  # accuracy twice, both costs twice
    assert against_peers(mine, [Line("gone", True, None, None, "not installed")], 2) == []


def test_within_the_interval_counts_as_good():
    peer = Line("peer", True, np.array([0.6, 0.7, 0.6, 0.7]), cost(1.0))
    mine = Line("mine", False, np.array([0.65, 0.6, 0.65, 0.6]), cost(1.0))
    told = [t for t in against_peers(mine, [peer], 2) if "difference" in t]
    assert all(t.endswith("met") for t in told)


def test_limits_are_held_against_both_kinds_of_targets():
    lines = [line("turnover 16 x 256", 0.25), line("turnover 16 x 1024", 0.4)]
    told = digits_limits([*lines, line("flipped-ridge", 0.7)], 2)
    assert len(told) == 6
    assert [("missed" in t) for t in told] == [False, True, False, False, False, False]
    share = ceiling_share(line("flipped-ridge", 0.7), np.full(4, 0.8), 2)
    assert all("0.89 of the noise ceiling" in t and t.endswith("met") for t in share)


@pytest.mark.slow
def test_a_project_folder_is_a_set(tmp_path):
    made = project(tmp_path / "mine", n=90)
    train(made, TrainOptions(members=2, width=16, epochs=1))  # it encodes the features
    task = make_task(str(made.root), 10)
    assert task.name == "mine"
    assert task.X.shape == (90, 384)
    assert task.losses.shape == task.second.shape == (10, len(task.yt))
    ready = ours.estimator(task, "flipped-ridge", size="lean", width=16)
    scores = ready.score(slice(0, len(task.yt)))
    assert np.isfinite(scores).all()
    values = lds(scores.astype(float) @ task.weights, task.losses)
    shown = row(Line("flipped-ridge", False, values, None), task.wrong)
    assert "| flipped-ridge |" in markdown(pd.DataFrame([shown]))
    assert ready.score(slice(0, 1))[0] == pytest.approx(scores[0], rel=1e-3, abs=1e-6)
