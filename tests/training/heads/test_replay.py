"""The training run backwards, against autograd through the unrolled training and real changes."""

from dataclasses import replace

import numpy as np
import pytest
import replay_oracle
import torch
import toy_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.evaluation.retrain import label_losses, retrain
from influence_core.training.heads.replay import Tape, weight_gradients
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig

CONFIG = HeadConfig(6, 3, members=3, width=8, seed=2)
TRAINING = HeadTraining(epochs=4, batch=16, learning_rate=5e-3, seed=4, eps=1e-4)
ROOM = 1 << 24


def replayed(rows, config, training, x, labels, *, room=ROOM, weights=None, shares=1):
    """(T, N) from tapes of shares of the members, all members added up."""
    labels = torch.as_tensor(labels)
    weights = torch.eye(len(labels)) if weights is None else weights
    size = -(-config.members // shares)
    total = 0
    for first in range(0, config.members, size):
        share = range(first, min(first + size, config.members))
        tape = Tape(rows, config, training, share, room)
        total = total + weight_gradients(tape, x, labels, weights).sum(1)
    return total


def oracle(rows, config, training, x, labels):
    tape = Tape(rows, config, training, range(config.members), ROOM)
    every = rows.features.rows(torch.arange(len(rows.features)))
    return replay_oracle.weight_gradients(
        every, rows.labels, rows.keys, tape.batches, config, training, x, torch.as_tensor(labels)
    )


def close(found, wanted, within=2e-3):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert np.abs(found - wanted).max() <= within * np.abs(wanted).max()


@settings(max_examples=12)
@given(
    n=st.integers(5, 40), batch=st.integers(1, 20), classes=st.integers(2, 4),
    members=st.integers(1, 3), width=st.sampled_from([2, 5, 8]), p=st.sampled_from([0.5, 0.25]),
    decay=st.sampled_from([0.0, 0.01]), seed=st.integers(0, 5),
)  # fmt: skip
def test_replay_is_autograd_through_the_training(n, batch, classes, members, width, p, decay, seed):
    rows, _, x, y = toy_rows.clouds(n, seed)
    rows = toy_rows.Rows(rows.features, rows.labels % classes, rows.keys)
    config = HeadConfig(6, classes, members=members, width=width, p=p, seed=seed)
    training = HeadTraining(
        epochs=2, batch=batch, learning_rate=5e-3, seed=seed, weight_decay=decay, eps=1e-3
    )
    y = y[:4] % classes
    close(
        replayed(rows, config, training, x[:4], y), oracle(rows, config, training, x[:4], y), 5e-3
    )


def test_a_small_change_of_a_weight_changes_the_loss_as_replay_says():
    rows, _, x, y = toy_rows.clouds(60)
    x, y = x[:5], y[:5]
    step = 0.002  # further apart a hidden unit may begin or cease to be active
    weights = torch.ones(60, 120)
    for row in range(60):
        weights[row, row] += step
        weights[row, 60 + row] -= step
    changed = toy_rows.Rows(rows.features, rows.labels, rows.keys, weights)
    losses = label_losses(retrain(changed, CONFIG, TRAINING, x), y)  # (120, T)
    slope = (losses[:60] - losses[60:]).T / (2 * step)
    found = replayed(rows, CONFIG, TRAINING, x, y).numpy()
    assert all(np.corrcoef(a, b)[0, 1] > 0.99 for a, b in zip(found, slope, strict=True))


@pytest.mark.parametrize("gradients", [0, 1, 9, 23])
def test_memory_changes_nothing_but_time(gradients):
    rows, _, x, y = toy_rows.clouds(60)
    training = replace(TRAINING, epochs=6)  # 24 steps: two anchors
    whole = replayed(rows, CONFIG, training, x[:3], y[:3])
    size = 4 * sum(t.numel() for t in Tape(rows, CONFIG, training, range(3), 0).loop.params)
    room = size * (3 * (2 + 16) + gradients)
    tape = Tape(rows, CONFIG, training, range(3), room)
    assert tape.kept_steps == gradients and not tape.whole
    assert torch.equal(replayed(rows, CONFIG, training, x[:3], y[:3], room=room), whole)


def test_a_second_pass_over_a_tape_gives_the_same():
    rows, _, x, y = toy_rows.clouds(60)
    tape = Tape(rows, CONFIG, TRAINING, range(3), ROOM)
    first = weight_gradients(tape, x[:2], torch.as_tensor(y[:2]), torch.eye(2))
    assert torch.equal(weight_gradients(tape, x[:2], torch.as_tensor(y[:2]), torch.eye(2)), first)


def test_shares_of_members_add_up():
    rows, _, x, y = toy_rows.clouds(60)
    whole = replayed(rows, CONFIG, TRAINING, x[:3], y[:3])
    close(replayed(rows, CONFIG, TRAINING, x[:3], y[:3], shares=3), whole, 1e-4)


def test_the_mean_of_targets_is_one_pass():
    rows, _, x, y = toy_rows.clouds(60)
    single = replayed(rows, CONFIG, TRAINING, x[:6], y[:6])
    together = replayed(rows, CONFIG, TRAINING, x[:6], y[:6], weights=torch.full((1, 6), 1 / 6))
    close(together[0], single.mean(0), 1e-3)


def test_weighted_rows_are_replayed_with_their_weights():
    rows, _, x, y = toy_rows.clouds(40)
    weights = torch.rand(40, 1, generator=torch.Generator().manual_seed(0)) + 0.5
    own = toy_rows.Rows(rows.features, rows.labels, rows.keys, weights)
    step, moved = 0.002, weights.repeat(1, 80)
    for row in range(40):
        moved[row, row] += step
        moved[row, 40 + row] -= step
    changed = toy_rows.Rows(rows.features, rows.labels, rows.keys, moved)
    losses = label_losses(retrain(changed, CONFIG, TRAINING, x[:2]), y[:2])
    slope = (losses[:40] - losses[40:]).T / (2 * step)
    found = replayed(own, CONFIG, TRAINING, x[:2], y[:2]).numpy()
    assert all(np.corrcoef(a, b)[0, 1] > 0.99 for a, b in zip(found, slope, strict=True))
