"""Each further estimator against its formula, one pair at a time."""

import math

import numpy as np
import pytest
import torch
from evidence_toy import evidence, targets

from influence_core.errors import ModelError
from influence_core.influence import estimator
from influence_core.influence.base import Evidence, calibrated_temperature
from influence_core.influence.estimators.blend import score_size
from influence_core.influence.estimators.ridge import by_size
from influence_core.turnover.head import HeadConfig

CONFIG = HeadConfig(4, 3, members=2, width=8)
N, T = 30, 3


@pytest.fixture(scope="module")
def world():
    _, proof = evidence(CONFIG, n=N)
    return proof, targets(proof, t=T)


def scored(name, world, settings=None):
    proof, goal = world
    return estimator(name).prepare(proof, settings or {}).query(goal).scores(slice(0, N))


def pairs(world):
    proof, goal = world
    X = proof.features.rows(torch.arange(N)).double().numpy()
    for t in range(T):
        for i in range(N):
            yield t, i, goal.features[t].double().numpy(), X[i]


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def agreement(world, t, i):
    """⟨softened flipped residual of row i, residual of target t⟩ by hand."""
    proof, goal = world
    temperature = calibrated_temperature(proof.flipped, proof.labels)
    weights = [max(p, 1e-6) ** (1 / temperature) for p in proof.flipped[i].tolist()]
    total = 0.0
    for c in range(CONFIG.classes):
        row = float(int(proof.labels[i]) == c) - weights[c] / sum(weights)
        total += row * (float(int(goal.labels[t]) == c) - float(goal.proba[t, c]))
    return total


def test_similarity_is_the_cosine_signed_by_the_labels(world):
    proof, goal = world
    out = scored("similarity", world)
    for t, i, target, row in pairs(world):
        sign = 1 if int(goal.labels[t]) == int(proof.labels[i]) else -1
        assert float(out.scores[t, i]) == pytest.approx(sign * cosine(target, row), abs=1e-5)


def test_flipped_cosine_equals_its_formula(world):
    out = scored("flipped-cosine", world)
    for t, i, target, row in pairs(world):
        slow = cosine(target, row) ** 2 * agreement(world, t, i)
        assert float(out.scores[t, i]) == pytest.approx(slow, abs=1e-5)


def test_gradient_equals_the_product_of_autograd_gradients(world):
    """The inner product of two rows' loss gradients in the last layer, member by member."""
    proof, goal = world
    out = scored("gradient", world)
    X = proof.features.rows(torch.arange(N))

    def last_layer_gradient(x, label, member):
        head = proof.head
        W2 = head.W2[member].clone().requires_grad_()
        logits = torch.relu(x @ head.W1[member] + head.b1[member]) @ W2
        torch.nn.functional.cross_entropy(logits[None], label[None]).backward()
        return W2.grad

    for t, i in ((0, 0), (1, 7), (2, 29)):
        products = []
        for member in range(2):
            a = last_layer_gradient(goal.features[t], goal.labels[t], member)
            b = last_layer_gradient(X[i], proof.labels[i], member)
            products.append(float((a * b).sum()))
        assert float(out.scores[t, i]) == pytest.approx(np.mean(products), abs=1e-5)
        error = np.std(products, ddof=1) / math.sqrt(2)
        assert float(out.stderr[t, i]) == pytest.approx(error, abs=1e-5)


def tangent_kernel(a, b):
    """Of one infinitely wide ReLU layer, both layers trained, by the closed form."""
    size = math.hypot(*a) * math.hypot(*b)
    c = max(-1.0, min(1.0, cosine(a, b)))
    angle = math.acos(c)
    first = (math.sin(angle) + (math.pi - angle) * c) / math.pi
    return size * (first + (math.pi - angle) * c / math.pi)


def test_flipped_kernel_with_all_rows_as_landmarks_is_kernel_ridge_regression(world):
    """The dual form over all N rows, (K + λ·N·σ̄ I)⁻¹ k_t, never mentions landmarks."""
    proof, goal = world
    X = proof.features.rows(torch.arange(N)).double().numpy()
    K = np.array([[tangent_kernel(a, b) for b in X] for a in X])
    damping = 1.0 * np.mean(np.sum(X**2, axis=1)) / 4
    inverse = np.linalg.inv(K + damping * N * np.eye(N))
    out = scored("flipped-kernel", world, {"landmarks": N}).scores
    for t in range(T):
        target = goal.features[t].double().numpy()
        similarity = N * inverse @ np.array([tangent_kernel(row, target) for row in X])
        for i in range(N):
            slow = similarity[i] * agreement(world, t, i)
            assert float(out[t, i]) == pytest.approx(slow, abs=2e-3, rel=2e-3)


def test_strength_changes_the_ridge_as_the_formula_says(world):
    weak = scored("flipped-ridge", world, {"strength": 0.1}).scores
    strong = scored("flipped-ridge", world, {"strength": 100.0}).scores
    assert float(strong.abs().max()) < float(weak.abs().max()) / 10


def test_without_an_evaluation_the_strength_falls_with_the_rows_and_grows_with_the_features():
    assert by_size(500, 64) == pytest.approx(4.5 * (64 / 500) ** 0.5)
    assert by_size(2000, 64) == pytest.approx(by_size(500, 64) / 2)
    assert by_size(500, 256) == pytest.approx(by_size(500, 64) * 2)
    assert by_size(10**9, 2) == 0.25
    assert by_size(1, 1280) == 16.0


def test_two_classes_share_one_matrix_and_many_do_too(monkeypatch):
    _, two = evidence(HeadConfig(4, 2, members=2, width=8), n=20)
    assert len(estimator("flipped-ridge").prepare(two).factors) == 1
    _, three = evidence(CONFIG, n=20)
    assert len(estimator("flipped-ridge").prepare(three).factors) == 3
    monkeypatch.setattr("influence_core.influence.estimators.ridge.BLOCKS", 2)
    assert len(estimator("flipped-ridge").prepare(three).factors) == 1


def test_temperature_softens_what_is_too_certain_and_never_sharpens():
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(size=(4000, 3))).float()
    labels = torch.distributions.Categorical(logits=logits).sample()
    assert calibrated_temperature((logits * 2).softmax(1), labels) == pytest.approx(2, rel=0.15)
    assert calibrated_temperature((logits / 3).softmax(1), labels) == 1.0


def test_blend_is_the_weighted_sum_of_scores_of_unit_size(world):
    proof, goal = world
    weights = {"similarity": 0.25, "flipped-ridge": 0.75, "gradient": 0.0}
    parts = {"flipped-ridge": {"strength": 4.0}}
    out = scored("combined", world, {"weights": weights, "parts": parts}).scores
    slow = torch.zeros(T, N)
    for name in ("similarity", "flipped-ridge"):
        query = estimator(name).prepare(proof, parts.get(name, {})).query(goal)
        slow += weights[name] * query.scores(slice(0, N)).scores / score_size(query, N)
    assert torch.allclose(out, slow, atol=1e-6)


def test_blend_without_settings_ranks_like_the_ridge(world):
    blend, ridge = scored("combined", world).scores, scored("flipped-ridge", world).scores
    assert torch.equal(blend.argsort(1), ridge.argsort(1))


def test_blend_refuses_parts_that_do_not_exist(world):
    with pytest.raises(ModelError, match="nonsense"):
        scored("combined", world, {"weights": {"nonsense": 1.0}})


@pytest.mark.parametrize(
    "name", ["similarity", "flipped-cosine", "flipped-ridge", "flipped-kernel"]
)
def test_feature_estimators_serve_a_run_without_a_head(world, name):
    proof, goal = world
    bare = Evidence(proof.features, proof.labels, proof.keys, proof.flipped)
    assert torch.equal(scored(name, (bare, goal)).scores, scored(name, world).scores)


@pytest.mark.parametrize("name", ["gradient", "turnover"])
def test_head_estimators_say_what_to_use_without_a_head(world, name):
    proof, _ = world
    with pytest.raises(ModelError, match="flipped-ridge"):
        estimator(name).prepare(Evidence(proof.features, proof.labels, proof.keys, proof.flipped))
