import head_oracle as oracle
import numpy as np
import pytest
import torch
from evidence_toy import evidence, targets
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.errors import ModelError
from influence_core.influence import ESTIMATORS, estimator
from influence_core.influence.base import Targets, calibrated_temperature
from influence_core.influence.estimators.ridge import weighted_moments, with_constant
from influence_core.turnover.head import HeadConfig


@settings(max_examples=15)
@given(
    st.builds(
        HeadConfig,
        features=st.integers(1, 3),
        classes=st.integers(2, 4),
        members=st.integers(1, 3),
        width=st.sampled_from([1, 6, 9, 130]),
        p=st.sampled_from([0.5, 0.3]),
        seed=st.integers(0, 99),
    )
)
def test_turnover_scores_equal_the_oracle(config):
    head, proof = evidence(config, n=3)
    goal = targets(proof, t=2)
    out = estimator("turnover").prepare(proof).query(goal).scores(slice(0, 3))
    for t in range(2):
        for i in range(3):
            key = int(proof.keys[i].numpy().view(np.uint64))
            mean, error = oracle.influence(
                head, goal.features[t].tolist(), int(goal.labels[t]), key
            )
            assert float(out.scores[t, i]) == pytest.approx(mean, abs=1e-5)
            assert float(out.stderr[t, i]) == pytest.approx(error, abs=1e-5, nan_ok=True)


def test_ridge_equals_the_formula_one_pair_at_a_time():
    _, proof = evidence(HeadConfig(4, 3, members=2, width=8), n=40)
    goal = targets(proof)
    H = proof.features.rows(torch.arange(40)).double().numpy()
    H = np.hstack([H, np.ones((40, 1))])
    temperature = calibrated_temperature(proof.flipped, proof.labels)
    soft = proof.flipped.double().clamp_min(1e-6).numpy() ** (1 / temperature)
    soft /= soft.sum(1, keepdims=True)
    inverses = []
    for c in range(3):
        sigma = (
            sum((p * (1 - p) + 0.02) * np.outer(h, h) for p, h in zip(soft[:, c], H, strict=True))
            / 40
        )
        strength = 4.5 * (4 / 40) ** 0.5  # without an evaluation: by d and N
        inverses.append(np.linalg.inv(sigma + strength * np.trace(sigma) / 5 * np.eye(5)))
    out = estimator("flipped-ridge").prepare(proof).query(goal).scores(slice(0, 40))
    for t in range(3):
        one_hot = np.eye(3)[int(goal.labels[t])]
        surprise = one_hot - goal.proba[t].numpy()
        for i in range(40):
            residual = np.eye(3)[int(proof.labels[i])] - soft[i]
            target = np.append(goal.features[t], 1.0)
            slow = sum(residual[c] * surprise[c] * (target @ inverses[c] @ H[i]) for c in range(3))
            assert float(out.scores[t, i]) == pytest.approx(slow, abs=1e-4)
    assert out.stderr is None


def test_moments_in_chunks_are_those_of_all_rows_at_once():
    _, proof = evidence(HeadConfig(3, 2, members=2, width=8), n=23)
    weights = torch.arange(1.0, 24.0)
    rows = with_constant(proof.features.rows(torch.arange(23)))
    slow = sum(w * torch.outer(x, x) for w, x in zip(weights, rows, strict=True)) / 23
    found = weighted_moments(proof, torch.stack([weights, torch.ones(23)], dim=1), chunk=7)
    assert torch.allclose(found[0], slow, rtol=1e-4)
    assert torch.allclose(found[1], rows.T @ rows / 23, atol=1e-6)
    assert torch.equal(found, found.mT)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_chunks_give_the_same_scores_as_one_pass(name):
    _, proof = evidence(HeadConfig(4, 3, members=2, width=64), n=50)
    query = estimator(name).prepare(proof).query(targets(proof))
    whole = query.scores(slice(0, 50)).scores
    parts = [query.scores(slice(a, b)).scores for a, b in ((0, 7), (7, 31), (31, 50))]
    assert torch.allclose(torch.cat(parts, 1), whole, atol=1e-6)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_every_estimator_explains_itself_in_two_lines(name):
    entry = estimator(name)
    assert len(entry.explanation.splitlines()) == 2
    assert entry.source
    assert entry.name == name


def test_an_unknown_estimator_error_lists_the_known_ones():
    with pytest.raises(ModelError, match="flipped-ridge"):
        estimator("nonsense")


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_a_target_alone_scores_as_it_does_among_others(name):
    _, proof = evidence(HeadConfig(4, 3, members=2, width=64), n=50)
    goal, prepared = targets(proof), estimator(name).prepare(proof)
    together = prepared.query(goal).scores(slice(3, 50)).scores
    for t in range(len(goal)):
        one = Targets(goal.features[t : t + 1], goal.labels[t : t + 1], goal.proba[t : t + 1])
        alone = prepared.query(one).scores(slice(3, 50)).scores
        assert torch.allclose(alone[0], together[t], atol=1e-5)
