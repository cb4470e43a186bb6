"""Training whole networks: resumed as unbroken, stopped in time, both sides read off exactly."""

import json
import math
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from resuming import damaged, full_disk
from safetensors.torch import load_file
from torch import nn

from influence_core.disk import checkpoint as disk_checkpoint
from influence_core.errors import CancelledError, DataError, ModelError
from influence_core.training.networks.checkpoint import learned_state, load_learned
from influence_core.training.networks.fit import fit_network
from influence_core.training.networks.rows import tensor_rows
from influence_core.training.networks.sides import network_sides, network_view
from influence_core.training.networks.types import NetworkData, NetworkTraining
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import TurnoverDropout, number_layers

ROWS, CLASSES = 48, 3
TRAINING = NetworkTraining(epochs=4, batch=8, learning_rate=0.02, device="cpu", patience=9)


def network():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Linear(5, 12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 16), nn.ReLU(),
        TurnoverDropout(16), nn.Linear(16, CLASSES, bias=False),
    )  # fmt: skip
    number_layers(model)
    model[0].requires_grad_(False)
    return model


def data(rows=ROWS):
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(rows, 5, generator=rng)
    labels = (x[:, :CLASSES] + 0.3 * torch.randn(rows, CLASSES, generator=rng)).argmax(1)
    valid = tensor_rows(x[:10] + 0.1, labels[:10], torch.arange(10))
    train = tensor_rows(x, labels, torch.arange(rows) * 31 + 7)
    return NetworkData(train, valid, valid)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_both_sides_learn_and_separate():
    fit = fit_network(network(), data(), replace(TRAINING, epochs=30, watch="nothing"))
    first, last = fit.history[0], fit.history[-1]
    assert len(fit.history) == fit.epochs == 30
    assert last.learned_loss < first.learned_loss
    assert last.flipped_loss > last.learned_loss + 0.05
    assert last.flipped_accuracy > 0.45  # of three classes, from 48 rows
    assert last.valid_accuracy == last.test_accuracy > 0.6


def test_training_is_the_plain_loop():
    """Accelerate, loaders and schedules change nothing about the gradients."""
    model, plain, rows = network(), network(), data().train
    for net in (model, plain):
        net[2].p = 0.0
    fit_network(model, NetworkData(rows), replace(TRAINING, epochs=1))
    optimiser = torch.optim.AdamW(
        [p for p in plain.parameters() if p.requires_grad], weight_decay=0
    )
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))
    for step, index in enumerate(order.split(8)):
        optimiser.param_groups[0]["lr"] = TRAINING.rate(step, 6)
        optimiser.zero_grad()
        with exposure(plain, rows.keys[index]):
            logits = plain(rows.inputs(index.tolist()))
            nn.functional.cross_entropy(logits, rows.labels[index]).backward()
        optimiser.step()
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-7, rtol=1e-6)


def test_a_killed_training_ends_like_an_unbroken_one(tmp_path):
    unbroken = fit_network(network(), data(), TRAINING)
    path, stop = tmp_path / "run" / "checkpoint.safetensors", threading.Event()
    with pytest.raises(CancelledError):
        fit_network(
            network(),
            data(),
            TRAINING,
            checkpoint=path,
            progress=lambda event: stop.set() if event.done == 2 else None,
            cancel=stop,
        )
    torch.manual_seed(999)  # another process has other random numbers
    seen = []
    resumed = fit_network(
        network(), data(), TRAINING, checkpoint=path, progress=lambda event: seen.append(event.done)
    )
    assert seen == [3, 4]
    assert resumed.history == unbroken.history
    assert same(resumed.state, unbroken.state)


def test_a_finished_training_does_not_run_again(tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    first = fit_network(network(), data(), TRAINING, checkpoint=path)
    again = fit_network(
        network(), data(), TRAINING, checkpoint=path, progress=lambda _: pytest.fail("ran again")
    )
    assert same(first.state, again.state)


def other_rows(model):
    return model, data(40), SHORT


def other_settings(model):
    return model, data(), replace(SHORT, seed=3)


def other_frozen_weights(model):
    """They are not in the file, so going on with others would mix two networks."""
    with torch.no_grad():
        model[0].weight += 1
    return model, data(), SHORT


SHORT = replace(TRAINING, epochs=2)


@pytest.mark.parametrize("other", [other_rows, other_settings, other_frozen_weights])
def test_a_checkpoint_of_another_training_is_not_gone_on_with(tmp_path, other):
    path = tmp_path / "checkpoint.safetensors"
    fit_network(network(), data(), SHORT, checkpoint=path)
    seen = []
    found = fit_network(
        *other(network()), checkpoint=path, progress=lambda event: seen.append(event.done)
    )
    assert seen == [1, 2]
    assert same(found.state, fit_network(*other(network())).state)


def test_a_damaged_checkpoint_and_one_of_other_code_mean_starting_again(tmp_path, monkeypatch):
    path, seen = tmp_path / "checkpoint.safetensors", []

    def fit():
        seen.clear()
        return fit_network(
            network(), data(), SHORT, checkpoint=path,
            progress=lambda event: seen.append(event.done),
        )  # fmt: skip

    unbroken = fit()
    for _ in damaged(path):
        assert same(fit().state, unbroken.state)
        assert seen == [1, 2]
    fit()
    assert seen == []
    monkeypatch.setattr(disk_checkpoint, "of_code", lambda: "other")
    assert same(fit().state, unbroken.state)
    assert seen == [1, 2]


def test_a_full_disk_costs_the_resume_and_says_so(tmp_path, monkeypatch):
    full_disk(monkeypatch)
    path, said = tmp_path / "checkpoint.safetensors", []
    fit = fit_network(
        network(), data(), SHORT, checkpoint=path,
        progress=lambda event: said.append(event.message),
    )  # fmt: skip
    assert same(fit.state, fit_network(network(), data(), SHORT).state)
    assert [message.startswith("Cannot write ") for message in said] == [True, True]
    assert "the disk is full" in said[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("watch", ["flipped", "valid"])
def test_the_last_epoch_within_one_error_of_the_best_is_kept(watch):
    settings = replace(TRAINING, epochs=60, patience=3, learning_rate=0.1, watch=watch)
    model = network()
    fit = fit_network(model, data(), settings)
    name = "flipped_error" if watch == "flipped" else "valid_loss"
    values = np.array([getattr(stats, name) for stats in fit.history])
    errors = np.array([getattr(stats, f"{watch}_stderr") for stats in fit.history])
    kept = [
        i
        for i in range(len(values))
        if values[i]
        <= (best := values[: i + 1].min()) + errors[np.flatnonzero(values[: i + 1] == best)[0]]
    ]
    assert fit.epochs == kept[-1] + 1
    assert len(values) == min(60, fit.epochs + 3)
    assert same(learned_state(model), dict(fit.state))
    sides = network_sides(model, data().train)
    own = sides.flipped[np.arange(ROWS), data().train.labels]
    assert 1 - own.mean() == pytest.approx(fit.history[kept[-1]].flipped_error, abs=1e-6)


def test_a_plain_network_trains_for_comparison():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, CLASSES))
    fit = fit_network(model, data(), TRAINING)
    assert math.isnan(fit.history[-1].flipped_loss)
    assert fit.epochs == TRAINING.epochs
    assert fit.history[-1].valid_loss < fit.history[0].valid_loss


def test_half_precision_trains_too():
    fit = fit_network(network(), data(), replace(TRAINING, precision="bf16"))
    assert fit.history[-1].learned_loss < fit.history[0].learned_loss
    assert all(v.dtype == torch.float32 for v in fit.state.values() if v.is_floating_point())


def test_frozen_weights_do_not_move_and_learned_ones_reload():
    model, start = network(), network()
    fit = fit_network(model, data(), TRAINING)
    assert torch.equal(model[0].weight, start[0].weight)
    assert "0.weight" not in fit.state
    load_learned(start, fit.state)
    x = torch.randn(4, 5)
    assert torch.equal(start.eval()(x), model(x))


@torch.no_grad()
def test_sides_and_views_are_the_slow_oracle():
    model, rows = network().eval(), data().train
    rows = replace(rows, order=np.random.default_rng(0).permutation(ROWS))
    sides, view = network_sides(model, rows), network_view(model, rows)
    for i in range(ROWS):
        x, loss = rows.inputs([i]), {}
        for side in ("learned", "flipped"):
            with exposure(model, rows.keys[i : i + 1], side):
                logits = model(x)
            loss[side] = nn.functional.cross_entropy(logits, rows.labels[i : i + 1])
            np.testing.assert_allclose(getattr(sides, side)[i], logits.softmax(1)[0], atol=1e-6)
        assert sides.self_influence[i] == pytest.approx(
            float(loss["flipped"] - loss["learned"]), abs=1e-5
        )
        np.testing.assert_allclose(view.proba[i], model(x).softmax(1)[0], atol=1e-6)
        np.testing.assert_allclose(view.features[i], model[:-1](x)[0], atol=1e-3, rtol=1e-3)


def test_sides_of_some_rows_without_labels():
    rows = data().train
    rows = replace(rows, labels=torch.where(torch.arange(ROWS) == 5, -1, rows.labels))
    sides = network_sides(network(), rows, positions=np.array([7, 5]))
    everything = network_sides(network(), rows)
    np.testing.assert_array_equal(np.isnan(sides.self_influence), [False, True])
    np.testing.assert_allclose(sides.flipped, everything.flipped[[7, 5]], atol=1e-6)


def test_a_network_without_a_last_linear_has_no_features():
    model = nn.Sequential(nn.Flatten(), nn.Identity())
    model.weight = nn.Parameter(torch.ones(1))
    with pytest.raises(ModelError, match=r"nn\.Linear"):
        network_view(model, data().train)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"learning_rate": 1e30}, ModelError, "diverged"),
        ({"precision": "int4"}, ModelError, "no precision"),
        ({"device": "tpu"}, ModelError, "no device"),
    ],
)
def test_bad_settings_are_refused(change, error, words):
    with pytest.raises(error, match=words):
        fit_network(network(), data(), replace(TRAINING, epochs=3, **change))


def test_bad_rows_and_frozen_models_are_refused():
    rows = data().train
    with pytest.raises(DataError, match="Training row 3 has no label"):
        labels = torch.where(torch.arange(ROWS) == 3, -1, rows.labels)
        fit_network(network(), NetworkData(replace(rows, labels=labels)), TRAINING)
    with pytest.raises(ModelError, match="frozen"):
        fit_network(network().requires_grad_(False), NetworkData(rows), TRAINING)


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path):
    """Each process sees its own rows; their masks are those of a single process."""
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
    command += ["--mixed_precision", "no", "--dynamo_backend", "no", str(script), str(tmp_path)]
    two = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}  # gloo
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env=two
    )
    assert done.returncode == 0, done.stderr[-3000:]
    model = network()
    model[2].p = 0.0
    fit = fit_network(model, data(), TRAINING)
    shared = load_file(tmp_path / "state.safetensors")
    for name, value in fit.state.items():
        torch.testing.assert_close(shared[name], value, atol=1e-5, rtol=1e-4)
    rows = [json.loads((tmp_path / f"keys-{rank}.json").read_text()) for rank in (0, 1)]
    assert not set(rows[0]) & set(rows[1])
    assert sorted(rows[0] + rows[1]) == sorted(data().train.keys.tolist())
