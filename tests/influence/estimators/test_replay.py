"""Replay as an estimator: one pass for all rows, cancel, and the sentence where it cannot run."""

import threading
from dataclasses import replace

import evidence_toy
import numpy as np
import pytest
import torch
from toy_rows import clouds

from influence_core.errors import CancelledError, ModelError
from influence_core.evaluation.retrain import label_losses, retrain, without
from influence_core.influence import ESTIMATORS
from influence_core.influence.base import Evidence, HeadWeights, Targets
from influence_core.influence.estimators import replay
from influence_core.influence.estimators.blend import score_size
from influence_core.influence.scan import mean_over, scan
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining
from influence_core.turnover.head import HeadConfig

CONFIG = HeadConfig(6, 3, members=4, width=16, seed=1)
TRAINING = HeadTraining(epochs=4, batch=16, learning_rate=2e-3, seed=5)


@pytest.fixture(scope="module")
def run():
    rows, _, x, y = clouds(120)
    fit = fit_heads(rows, CONFIG, TRAINING)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, CONFIG)
    flipped = torch.full((120, 3), 1 / 3)
    evidence = Evidence(rows.features, rows.labels, rows.keys, flipped, head, TRAINING)
    return rows, evidence, Targets(x[:6], torch.as_tensor(y[:6]), head.proba(x[:6]))


def scores(evidence, targets):
    query = ESTIMATORS["replay"].prepare(evidence).query(targets)
    return query.scores(slice(0, len(evidence))).scores


def test_single_rows_change_the_loss_as_replay_says(run):
    rows, evidence, targets = run
    every = [np.array([row]) for row in range(120)]
    weights = torch.cat([without(120, every), torch.ones(120, 1, dtype=torch.bool)], 1)
    losses = label_losses(
        retrain(replace(rows, weights=weights), CONFIG, TRAINING, targets.features),
        targets.labels.numpy(),
    )
    actual = (losses[:-1] - losses[-1]).T  # (T, N): what leaving the row out does
    found = scores(evidence, targets).numpy()
    # A whole row is a large step for so small a head: some units begin or cease to be active.
    assert all(np.corrcoef(a, b)[0, 1] > 0.65 for a, b in zip(found, actual, strict=True))


@pytest.mark.parametrize("room", [0, 1 << 30])
def test_shares_passes_and_memory_change_nothing(run, monkeypatch, room):
    _, evidence, targets = run
    whole = scores(evidence, targets)
    monkeypatch.setattr(replay, "_ACTIVATIONS", 1)
    monkeypatch.setattr(replay, "_ADJOINTS", 1)
    monkeypatch.setattr(replay, "ROOM", room)
    assert torch.allclose(scores(evidence, targets), whole, rtol=1e-3, atol=1e-7)


def test_the_mean_over_targets_is_one_pass_for_groups_of_them(run):
    _, evidence, _ = run
    x, y = clouds(120)[2:]
    head = evidence.head
    targets = Targets(x, torch.as_tensor(y), head.proba(x))  # 60
    prepared, seen = ESTIMATORS["replay"].prepare(evidence), []
    found = mean_over(prepared, targets, 120, progress=seen.append)
    single = scores(evidence, targets).numpy()
    assert np.allclose(found.mean, single.mean(0), atol=1e-3 * np.abs(single).max())
    assert found.freedom == 3
    # Four groups tell the error over targets roughly: on the mean over rows rightly.
    assert found.stderr.mean() == pytest.approx((single.std(0, ddof=1) / 60**0.5).mean(), rel=0.3)
    assert seen[-1].done == seen[-1].total == 2 * 4 * -(-120 // 16)  # recorded, and gone back
    again = mean_over(prepared, targets, 120)
    assert np.array_equal(again.mean, found.mean) and np.array_equal(again.stderr, found.stderr)
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        mean_over(prepared, targets, 120, cancel=stop)
    one = prepared.mean(targets[:1], None, None)
    assert np.isnan(one.stderr).all() and np.allclose(one.mean, single[0], atol=1e-5)


def test_members_tell_their_own_changes(run, monkeypatch):
    _, evidence, targets = run
    query = ESTIMATORS["replay"].prepare(evidence).query(targets)
    every = torch.arange(120)
    found, own = query.scores(slice(0, 120)).scores, query.by_member(every)
    assert own.shape == (6, 4, 120) and torch.allclose(own.mean(1), found, atol=1e-6)
    assert torch.equal(query.by_member(every[[7, 3]]), own[:, :, [7, 3]])
    monkeypatch.setattr(replay, "_MEMBERS", 0)
    short = ESTIMATORS["replay"].prepare(evidence).query(targets)
    assert torch.allclose(short.by_member(every), found[:, None].expand(-1, 4, -1), atol=1e-6)


def test_both_together_are_the_ridge_and_replay_in_units_of_their_size(run):
    _, evidence, targets = run
    queries = [
        ESTIMATORS[name].prepare(evidence).query(targets) for name in ("flipped-ridge", "replay")
    ]
    parts = [q.scores(slice(0, 120)).scores / score_size(q, 120) for q in queries]
    together = ESTIMATORS["together"].prepare(evidence)
    query = together.query(targets)
    assert torch.allclose(query.scores(slice(0, 120)).scores, sum(parts), atol=1e-5)
    assert torch.equal(query.by_member(torch.arange(9)), queries[1].by_member(torch.arange(9)))
    means = [
        mean_over(ESTIMATORS[n].prepare(evidence), targets, 120)
        for n in ("flipped-ridge", "replay")
    ]
    wanted = sum(m.mean / np.sqrt(np.square(m.mean).mean()) for m in means)
    found = together.mean(targets, None, None)
    assert np.allclose(found.mean, wanted, atol=1e-4) and found.freedom == 3


def test_a_cancelled_pass_leaves_the_next_one_whole(run):
    _, evidence, targets = run
    prepared = ESTIMATORS["replay"].prepare(evidence)
    query, cancel, seen = prepared.query(targets), threading.Event(), []

    def stop(event):
        seen.append(event)
        cancel.set()

    with pytest.raises(CancelledError):
        query.run(stop, cancel)
    assert len(seen) == 1 and seen[0].total == 2 * 4 * -(-120 // 16)
    assert torch.equal(query.scores(slice(0, 120)).scores, scores(evidence, targets))


def test_a_scan_hears_a_cancel_in_the_pass(run):
    _, evidence, targets = run
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        scan(ESTIMATORS["replay"].prepare(evidence).query(targets), 120, k=5, cancel=cancel)


def test_a_head_without_a_record_of_its_training_is_refused_with_what_works():
    _, proof = evidence_toy.evidence(CONFIG)
    with pytest.raises(ModelError, match="flipped-ridge"):
        ESTIMATORS["replay"].prepare(replace(proof, training=None))
    with pytest.raises(ModelError, match="whole network"):
        ESTIMATORS["replay"].prepare(replace(proof, head=None))
