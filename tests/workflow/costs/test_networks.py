"""What is said before work with a whole network, beside what the work takes."""

import gc
import threading
import time
from dataclasses import replace

import pytest
import tiny
import torch
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.errors import CancelledError, DataError, ResourceError
from influence_core.store.project import Project
from influence_core.training.networks.run import run_network
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.costs import networks as network_costs
from influence_core.workflow.costs.networks import Pace, finetune_text, pace, training_estimate
from influence_core.workflow.train.network import (
    NetworkOptions,
    build_network,
    network_settings,
    train_network,
)

TRAINING = NetworkTraining(epochs=3, batch=16, watch="nothing", device="cpu")
OPTIONS = NetworkOptions("encoder", 1, training=TRAINING)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TURNOVER_HOME", str(tmp_path / "home"))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    project = tiny.project(tmp_path_factory.mktemp("pace") / "films", 400)
    tiny.encoder(project.root / "encoder")
    return project


def built(project):
    network = build_network(network_settings(project, OPTIONS), root=project.root)
    return network, {name: network.rows(split) for name, split in project.dataset.splits.items()}


def test_the_estimate_is_of_the_size_of_the_work(films):
    """Within a factor of two on an idle machine (`benchmarks.estimates`); a unit left out is 4."""
    network, rows = built(films)
    measured = pace(network.model, rows["train"], TRAINING, clock=time.process_time)
    counts = {name: len(part) for name, part in rows.items()}
    predicted = training_estimate(measured, counts, TRAINING).seconds
    start = time.process_time()
    run_network(network.model, rows, TRAINING)
    assert 1 / 4 < predicted / (time.process_time() - start) < 4


def test_measuring_leaves_the_network_and_random_numbers_alone(films):
    network, rows = built(films)
    network.model.eval()
    before = {name: value.clone() for name, value in network.model.state_dict().items()}
    drawn = torch.random.get_rng_state()
    pace(network.model, rows["train"], TRAINING)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert not network.model.training
    for name, value in network.model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in network.model.parameters())


def test_memory_holds_weights_and_what_a_batch_leaves_for_the_way_back(films):
    network, rows = built(films)
    few, many = (
        pace(network.model, rows["train"], replace(TRAINING, batch=n)).bytes for n in (8, 32)
    )
    # A trained one has a gradient, two moments of Adam's, the best so far and a checkpoint's.
    weights = sum(4 * p.numel() * (1 + 5 * p.requires_grad) for p in network.model.parameters())
    assert few > weights
    grown = (many - weights) / (few - weights)
    assert 3 < grown < 8  # sentences of a larger batch are padded to longer ones


def test_long_training_is_announced(films, monkeypatch):
    network, rows = built(films)
    slow = Pace(1.0, 0.5, float(3 << 30))
    monkeypatch.setattr(network_costs, "pace", lambda *_, **__: slow)
    said = finetune_text(network.model, rows, TRAINING)
    assert said.startswith("This takes about ")
    assert said.endswith(" and 3.0 GB on this device.")
    watched = replace(TRAINING, watch="flipped")
    assert finetune_text(network.model, rows, watched).endswith(", or less if it stops early.")
    monkeypatch.setattr(network_costs, "pace", lambda *_, **__: Pace(1e-6, 1e-6, 1.0))
    assert finetune_text(network.model, rows, TRAINING) is None


def test_rows_that_cannot_be_trained_on_are_refused_before_anything_is_measured(
    tmp_path, monkeypatch
):
    part = {"text": ["good", "bad", "odd"], "label": [0, 1, -1], "id": ["a", "b", "c"]}
    data = build_dataset({"train": part, "test": part}, ["no", "yes"])
    project = Project.create(tmp_path / "odd", "Odd", data, "hf:encoder")
    tiny.encoder(project.root / "encoder")
    monkeypatch.setattr("influence_core.workflow.train.network.finetune_text", None)
    with pytest.raises(DataError, match="no label"):
        train_network(project, OPTIONS, announce=print)


def test_nothing_is_said_where_memory_runs_out(films, monkeypatch):
    def full(*_, **__):
        raise ResourceError("Memory ran out")

    monkeypatch.setattr(network_costs, "pace", full)
    network, rows = built(films)
    assert finetune_text(network.model, rows, TRAINING) is None


def test_measuring_hears_a_cancel_and_keeps_no_copy(films):
    network, rows = built(films)
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        pace(network.model, rows["train"], TRAINING, cancel=stop)
    pace(network.model, rows["train"], TRAINING)
    kinds = type(network.model)
    assert [o for o in gc.get_objects() if type(o) is kinds] == [network.model]


def test_the_verb_says_what_it_will_take_and_trains_as_without(films, monkeypatch, tmp_path):
    slow = Pace(1.0, 0.5, float(3 << 30))
    monkeypatch.setattr(network_costs, "pace", lambda *_, **__: slow)
    words = [
        "train",
        str(films.root),
        "--mode",
        "finetune",
        "--encoder",
        "encoder",
        "--epochs",
        "1",
    ]
    answer = CliRunner().invoke(app, [*words, "--device", "cpu", "--batch", "16"])
    assert answer.exit_code == 0, answer.output
    assert "This takes about" in answer.stderr
