import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from influence_core.errors import CancelledError, DataError, ModelError
from influence_core.training.features import Standardised
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.steps import forward, gradients, margin
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig, TurnoverHead, member_masks

CONFIG = HeadConfig(6, 3, members=2, width=16, seed=1)
TRAINING = HeadTraining(epochs=4, batch=16, seed=5)


def toy(n=80, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[np.arange(n), y] += 3
    keys = torch.from_numpy(rng.integers(0, 2**63, n))
    return Standardised.fit(X), torch.from_numpy(y), keys


def same(a, b):
    return all(torch.equal(x, y) for x, y in ((a.W1, b.W1), (a.b1, b.b1), (a.W2, b.W2)))


def test_written_out_gradients_equal_autograd():
    x, labels = torch.randn(10, 6), torch.randint(0, 3, (10,))
    keys, scale = torch.arange(10), torch.rand(1, 10)
    head = TurnoverHead(CONFIG)
    loss = torch.nn.functional.cross_entropy(
        head.learned(x, keys).flatten(0, 1), labels.repeat(2), reduction="none"
    )
    (loss * scale.repeat(1, 2)[0]).sum().backward()
    params = [p.detach().clone() for p in head.parameters()]
    seen = forward(x, member_masks(keys, CONFIG), params)
    grads = gradients(x, labels[None], scale, seen, params[2], CONFIG.p)
    for name, grad in zip(("W1", "b1", "W2"), grads, strict=True):
        assert torch.allclose(grad, getattr(head, name).grad, atol=1e-6), name
    assert torch.allclose(seen.full, head(x), atol=1e-5)


def test_a_seed_gives_the_same_weights_twice_and_another_seed_others():
    X, y, k = toy()
    first = fit_heads(Rows(X, y, k), CONFIG, TRAINING)
    assert same(first, fit_heads(Rows(X, y, k), CONFIG, TRAINING))
    other = fit_heads(Rows(X, y, k), CONFIG, HeadTraining(epochs=4, batch=16, seed=6))
    assert not same(first, other)


def test_training_learns_and_stops_by_itself():
    X, y, k = toy(300)
    fit = fit_heads(Rows(X, y, k), CONFIG, HeadTraining(batch=16, learning_rate=5e-3))
    assert fit.history[-1].flipped_accuracy > 0.9
    assert fit.epochs == len(fit.history) < HeadTraining().max_epochs


def ended_after(errors, training, rows=160):
    """Epochs after which a training with these errors stops, by the rule said once more."""
    steps = -(-rows // training.batch_for(rows))
    for epoch in range(2, len(errors) + 1):
        early = epoch * steps * training.learning_rate < 0.05
        fell = errors[0] - errors[epoch - 1]
        if not early and errors[epoch // 2 - 1] - errors[epoch - 1] <= max(0, 0.05 * fell):
            return epoch
    return None


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30), st.floats(1e-4, 1e-1))
def test_a_training_ends_when_its_later_half_gained_next_to_nothing(errors, rate):
    training = HeadTraining(batch=16, learning_rate=rate)
    found = (e for e in range(1, len(errors) + 1) if training.has_ended(errors[:e], 160))
    assert next(found, None) == ended_after(errors, training)
    assert not HeadTraining(epochs=9, learning_rate=rate).has_ended(errors, 160)


def test_an_early_rise_of_the_error_ends_nothing_before_the_weights_have_moved():
    errors = [0.26, 0.25, 0.26, 0.25, 0.24, 0.23, 0.22, 0.21]  # as of digits through 1,280 units
    training = HeadTraining(batch=32)
    assert not any(training.has_ended(errors[:epoch], 500) for epoch in range(1, 9))
    assert replace(training, learning_rate=2e-3).has_ended(errors[:4], 500)


def test_groups_with_all_rows_equal_the_single_head():
    X, y, k = toy()
    single = fit_heads(Rows(X, y, k), CONFIG, TRAINING)
    grouped = fit_heads(Rows(X, y, k, torch.ones(80, 3)), CONFIG, TRAINING)
    for part in (grouped.W1[:2], grouped.W1[2:4], grouped.W1[4:]):
        assert torch.allclose(part, single.W1, atol=1e-6)


def test_a_group_without_a_row_never_learns_its_label():
    X, y, k = toy()
    weights = torch.ones(80, 2)
    weights[7, 1] = 0
    relabelled = y.clone()
    relabelled[7] = (y[7] + 1) % 3
    a = fit_heads(Rows(X, y, k, weights), CONFIG, TRAINING)
    b = fit_heads(Rows(X, relabelled, k, weights), CONFIG, TRAINING)
    assert torch.equal(a.W1[2:], b.W1[2:])  # the group that leaves row 7 out
    assert not torch.equal(a.W1[:2], b.W1[:2])


def test_groups_may_differ_in_labels():
    X, y, k = toy()
    other = (y + 1) % 3
    both = fit_heads(Rows(X, torch.stack([y, other], 1), k), CONFIG, TRAINING)
    alone = fit_heads(Rows(X, other, k), CONFIG, TRAINING)
    assert torch.allclose(both.W1[2:], alone.W1, atol=1e-6)


def test_one_group_may_bring_its_labels_as_a_column():
    X, y, k = toy()
    plain = fit_heads(Rows(X, y, k), CONFIG, TRAINING)
    column = fit_heads(Rows(X, y[:, None], k), CONFIG, TRAINING)
    assert torch.allclose(plain.W1, column.W1)


def test_trained_heads_keep_the_two_sides_apart():
    """Changing one row's label must leave what its flipped side reads from other rows' view alone.

    With a single row in the set, its flipped side stays exactly at the start.
    """
    X, y, k = toy(1)
    config = HeadConfig(6, 3, members=2, width=16)
    fit = fit_heads(Rows(X, y, k), config, HeadTraining(epochs=3, batch=1))
    start = TurnoverHead(config)
    flipped_units = member_masks(k, config, flipped=True)[:, 0] > 0
    assert torch.equal(fit.W2[flipped_units], start.W2.detach()[flipped_units])


def test_margin_is_label_minus_best_other():
    logits = torch.tensor([[1.0, 4.0, 2.0], [5.0, 0.0, 3.0]])
    assert margin(logits, torch.tensor([1, 2])).tolist() == [2.0, -2.0]


def test_cancel_stops_between_batches():
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        fit_heads(Rows(*toy()), CONFIG, TRAINING, cancel=cancel)


def test_labels_outside_the_classes_are_refused():
    X, y, k = toy()
    y[3] = 3
    with pytest.raises(DataError, match="A training label is 3"):
        fit_heads(Rows(X, y, k), CONFIG, TRAINING)


def test_divergence_is_an_error_not_a_model():
    X, y, k = toy()
    broken = Standardised(X.raw, X.mean, torch.full_like(X.scale, 1e-38))
    with pytest.raises(ModelError, match="diverged"):
        fit_heads(Rows(broken, y, k), CONFIG, HeadTraining(epochs=3, learning_rate=1e20))
