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
from influence_core.training.heads import adam_numba, replay, replay_numba
from influence_core.training.heads.adam import BETA1, BETA2
from influence_core.training.heads.adam_numba import next_moments, through_step
from influence_core.training.heads.replay import (
    between,
    loss_gradients,
    step_by_tensors,
    weight_gradients,
)
from influence_core.training.heads.replay_numba import between as between_on_cpu
from influence_core.training.heads.tape import (
    Batch,
    Tape,
    like,
    moments_after,
    moments_by_tensors,
    sizes,
)
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig, initial_weights

CONFIG = HeadConfig(6, 3, members=3, width=8, seed=2)
TRAINING = HeadTraining(epochs=4, batch=16, learning_rate=5e-3, seed=4, eps=1e-4)
ROOM = 1 << 24


def replayed(rows, config, training, x, labels, *, room=ROOM, weights=None, shares=1, whole=False):
    """(T, N) from tapes of shares of the members, all members added up."""
    labels = torch.as_tensor(labels)
    weights = torch.eye(len(labels)) if weights is None else weights
    size = -(-config.members // shares)
    total = 0
    for first in range(0, config.members, size):
        share = range(first, min(first + size, config.members))
        tape = Tape(rows, config, training, share, room)
        total = total + weight_gradients(tape, x, labels, weights, whole_rows=whole).sum(1)
    return total


def oracle(rows, config, training, x, labels, whole):
    tape = Tape(rows, config, training, range(config.members), ROOM)
    every = rows.features.rows(torch.arange(len(rows.features)))
    return replay_oracle.weight_gradients(
        every, rows.labels, rows.keys, tape.batches, config, training, x, torch.as_tensor(labels),
        whole,
    )  # fmt: skip


def close(found, wanted, within=2e-3):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert np.abs(found - wanted).max() <= within * np.abs(wanted).max()


@settings(max_examples=12)
@given(
    n=st.integers(5, 40), batch=st.integers(1, 20), classes=st.integers(2, 4),
    members=st.integers(1, 3), width=st.sampled_from([2, 5, 8]), p=st.sampled_from([0.5, 0.25]),
    decay=st.sampled_from([0.0, 0.01]), seed=st.integers(0, 5), whole=st.booleans(),
)  # fmt: skip
def test_replay_is_autograd_through_the_training(
    n, batch, classes, members, width, p, decay, seed, whole
):
    rows, _, x, y = toy_rows.clouds(n, seed)
    rows = toy_rows.Rows(rows.features, rows.labels % classes, rows.keys)
    config = HeadConfig(6, classes, members=members, width=width, p=p, seed=seed)
    training = HeadTraining(
        epochs=2, batch=batch, learning_rate=5e-3, seed=seed, weight_decay=decay, eps=1e-3
    )
    y = y[:4] % classes
    found = replayed(rows, config, training, x[:4], y, whole=whole)
    close(found, oracle(rows, config, training, x[:4], y, whole), 5e-3)


def test_of_rows_learned_by_heart_both_sides_tell_more_than_the_derivative():
    rows, _, x, y = toy_rows.clouds(60)
    x, y = x[:20], y[:20]
    config = replace(CONFIG, members=8, width=64)
    training = replace(TRAINING, epochs=40)
    weights = torch.cat([1.0 - torch.eye(60), torch.ones(60, 1)], 1)
    losses = label_losses(
        retrain(replace(rows, weights=weights), config, training, x), y
    )  # (61, T)
    actual = (losses[:-1] - losses[-1]).T.ravel()

    def agrees(whole):
        told = replayed(rows, config, training, x, y, whole=whole).numpy()
        return np.corrcoef(-told.ravel(), actual)[0, 1]

    assert agrees(True) > agrees(False) + 0.03


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


@pytest.mark.parametrize("width", [8, 5])  # with twins and without
@pytest.mark.parametrize(("records", "gradients"), [(0, 0), (1, 0), (23, 0), (24, 0), (24, 9)])
def test_memory_changes_nothing_but_time(records, gradients, width):
    rows, _, x, y = toy_rows.clouds(60)
    config, training = replace(CONFIG, width=width), replace(TRAINING, epochs=6)
    whole = replayed(rows, config, training, x[:3], y[:3])  # 24 steps: two anchors
    state, record, _ = sizes(config, 3, 16, 24)
    room = 2 * state + records * record + gradients * state // 3
    tape = Tape(rows, config, training, range(3), room)
    assert (tape.kept_records, tape.whole) == (records, records == 24)
    assert records < 24 or tape.kept_gradients == gradients
    assert torch.equal(replayed(rows, config, training, x[:3], y[:3], room=room), whole)


def test_what_is_counted_is_what_is_kept():
    rows, *_ = toy_rows.clouds(64)  # four batches of 16
    tape = Tape(rows, CONFIG, TRAINING, range(3), ROOM)
    tape.end()
    state, record, _ = sizes(CONFIG, 3, 16, 16)
    counted = [(own.params, own.first, own.second) for own in tape.anchors]
    assert 4 * sum(t.numel() for own in counted for one in own for t in one) == state
    kept = [t for own in tape.records.values() for t in (own.h, own.full, own.W2)]
    assert 4 * sum(t.numel() for t in kept) == 16 * record


@pytest.mark.parametrize("through", [through_step, step_by_tensors])
@given(
    targets=st.integers(1, 3), size=st.integers(1, 300), step=st.integers(1, 9),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_a_step_of_adam_backwards_is_the_written_one(through, targets, size, step, seed):
    rng = torch.Generator().manual_seed(seed)
    theta, m_bar, v_bar = (torch.randn(targets, 2, size, generator=rng) for _ in range(3))
    g = torch.randn(2, size, generator=rng) * (torch.rand(2, size, generator=rng) > 0.3)
    old = 0.1 * torch.randn(2, size, generator=rng) * (g != 0)
    m, v = 0.9 * old + 0.1 * g, 0.001 * g.square()
    lr, eps, c1, c2 = 5e-3, 1e-4, 1 - 0.9**step, 1 - 0.999**step
    root = (v.double() / c2).sqrt()
    by_m = m_bar - theta * lr / (c1 * (root + eps))
    slope = torch.where(root > 0, lr * m / (2 * c1 * c2 * (root + eps) ** 2 * root), 0.0)
    by_v = v_bar + theta * slope
    wanted = 0.1 * by_m + 0.002 * (m - 0.9 * old) / 0.1 * by_v
    along = through(theta, m_bar, v_bar, old, m, v, (lr, eps, c1, c2))
    close(along, wanted, 1e-4)
    close(m_bar, 0.9 * by_m, 1e-4)
    close(v_bar, 0.999 * by_v, 1e-4)


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


@given(
    targets=st.integers(1, 3), members=st.integers(1, 3), batch=st.integers(1, 9),
    units=st.integers(1, 40), classes=st.integers(2, 12), p=st.sampled_from([0.5, 0.25]),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_what_is_compiled_between_the_products_is_the_written_one(
    targets, members, batch, units, classes, p, seed
):
    rng = torch.Generator().manual_seed(seed)

    def some(*shape):
        return torch.randn(*shape, generator=rng)

    h = some(members, batch, units).relu() / p  # half of them inactive
    W2, dz = some(members, units, classes), some(targets, members, batch, units)
    along = some(targets, members, units), some(targets, members, units, classes)
    residuals = some(members, batch, classes).softmax(2), *some(2, members, batch, classes)
    rows = torch.arange(batch)
    own = Batch(rows, some(batch, 4), rows % classes, some(batch).abs() + 0.1, 0.1, p)

    def by(function):
        moved, onto = dz.clone(), tuple(torch.ones_like(t) for t in along)
        return *function(moved, h, W2, along, onto, residuals, own), moved, *onto

    for found, wanted in zip(by(between_on_cpu), by(between), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_of_many_classes_tensors_do_what_is_compiled_for_few(monkeypatch):
    rows, _, x, y = toy_rows.clouds(60)
    compiled = replayed(rows, CONFIG, TRAINING, x[:3], y[:3], whole=True)
    monkeypatch.setattr(replay, "FEW", 2)  # the rows have three
    monkeypatch.setattr(replay_numba, "between", None)
    close(replayed(rows, CONFIG, TRAINING, x[:3], y[:3], whole=True), compiled, 1e-4)


@pytest.mark.parametrize("decay", [0.0, 0.01])
def test_moments_on_the_way_back_are_those_of_the_training(decay):
    rows, *_ = toy_rows.clouds(60)
    training = replace(TRAINING, epochs=6, weight_decay=decay)
    tape = Tape(rows, CONFIG, training, range(3), ROOM)
    tape.end()
    wanted = {anchor.step: (anchor.first, anchor.second) for anchor in tape.anchors}
    assert max(wanted) == 16  # a state in the midst of it
    for step in tape.backwards():
        if step.number == 16:
            for own, other in zip((step.first, step.second), wanted[16], strict=True):
                for one, two in zip(own, other, strict=True):
                    torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("by", [next_moments, moments_by_tensors])
def test_moments_after_a_step_are_those_of_adam(by, monkeypatch):
    monkeypatch.setattr(adam_numba, "next_moments", by)
    rng = torch.Generator().manual_seed(0)
    first, second, gradient = (
        tuple(torch.randn(3, 5, 7, generator=rng) for _ in range(3)) for _ in range(3)
    )
    out = like(first), like(second)
    moments_after(first, second, gradient, out)
    for m, v, g, m_next, v_next in zip(first, second, gradient, *out, strict=True):
        torch.testing.assert_close(m_next, BETA1 * m + (1 - BETA1) * g)
        torch.testing.assert_close(v_next, BETA2 * v + (1 - BETA2) * g.square())


def test_a_combination_of_targets_is_the_sum_of_its_gradients():
    rng = torch.Generator().manual_seed(0)
    x, params = torch.randn(5, 6, generator=rng), initial_weights(CONFIG)
    labels, weights = torch.tensor([0, 1, 2, 0, 1]), torch.rand(3, 5, generator=rng)
    weights[1, :3] = 0.0
    each = loss_gradients(x, labels, torch.eye(5), params, 3)
    found = loss_gradients(x, labels, weights, params, 3)
    for part, singles in zip(found, each, strict=True):
        torch.testing.assert_close(part, torch.einsum("tb,b...->t...", weights, singles))
