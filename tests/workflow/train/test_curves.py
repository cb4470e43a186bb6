"""Learning curves from runs and from jobs under way."""

import math

import pytest
import tiny

from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.train.curves import COLUMNS, learning_curves, live_curves
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.network import NetworkOptions, train_network


@pytest.fixture
def project(tmp_path):
    made = tiny.project(tmp_path / "films", 40)
    tiny.encoder(made.root / "encoder")
    return made


def test_a_head_run_keeps_all_three_curves(project):
    told = []
    run = train(project, TrainOptions(2, 32, epochs=4, device="cpu"), progress=told.append)
    curves = learning_curves(run)
    assert tuple(curves.columns) == COLUMNS
    assert curves["epoch"].tolist() == [1, 2, 3, 4]
    assert curves.notna().all().all()
    assert curves["learned"].iloc[-1] < curves["learned"].iloc[0]
    lines = [{**e.metrics, "stage": e.stage, "done": e.done} for e in told]
    assert live_curves(lines).equals(curves)


def test_a_network_run_keeps_all_three_curves(project):
    training = NetworkTraining(epochs=3, batch=8, watch="nothing", device="cpu")
    options = NetworkOptions("encoder", learning_rate=0.01, training=training)
    curves = learning_curves(train_network(project, options))
    assert curves["epoch"].tolist() == [1, 2, 3]
    assert curves.notna().all().all()


def test_an_epoch_that_is_told_twice_counts_once():
    lines = [
        {"stage": "encode", "rows": 3.0},
        {"stage": "train", "epoch": 1.0, "learned_loss": 0.9, "flipped_loss": 1.0},
        {"stage": "train", "epoch": 2.0, "learned_loss": 0.7, "flipped_loss": 0.9},
        {"stage": "train", "epoch": 2.0, "learned_loss": 0.6, "flipped_loss": 0.8},
    ]
    curves = live_curves(lines)
    assert curves["learned"].tolist() == [0.9, 0.6]
    assert math.isnan(curves["test"].iloc[0])


def test_no_history_is_an_empty_table():
    assert live_curves([]).empty
    assert tuple(live_curves([]).columns) == COLUMNS
