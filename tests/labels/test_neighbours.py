import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from influence_core.errors import CancelledError
from influence_core.labels import neighbours
from influence_core.labels.neighbours import nearest, neighbour_agreement
from influence_core.training.features import Standardised


def features(n, d=6, seed=0):
    X = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return X, Standardised.using(X, torch.zeros(d), torch.ones(d))


def slow(X, k):
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -2)
    order = np.argsort(-alike, axis=1, kind="stable")[:, :k]
    return order, np.take_along_axis(alike, order, 1)


@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 7))
def test_blocks_find_what_the_full_matrix_finds(n, k, block):
    X, rows = features(n, seed=n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "_BLOCK", block)
        positions, similarity = nearest(rows, n, k)
    wanted, alike = slow(X, min(k, n - 1))
    np.testing.assert_array_equal(positions, wanted)
    np.testing.assert_allclose(similarity, alike, atol=1e-5)


def test_a_large_set_is_compared_with_a_seeded_sample(monkeypatch):
    monkeypatch.setattr(neighbours, "SAMPLE", 20)
    X, rows = features(100)
    positions, similarity = nearest(rows, 100, 3)
    again, _ = nearest(rows, 100, 3)
    np.testing.assert_array_equal(positions, again)
    pool = np.unique(positions)
    assert len(pool) <= 20
    assert not (positions == np.arange(100)[:, None]).any()
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    np.testing.assert_allclose(similarity[:, 0], (unit * unit[positions[:, 0]]).sum(1), atol=1e-5)


def test_agreement_is_the_share_of_equal_labels():
    labels = np.array([0, 0, 1, 1])
    positions = np.array([[1, 2], [0, 3], [3, 0], [0, 1]])
    np.testing.assert_allclose(neighbour_agreement(labels, positions), [0.5, 0.5, 0.5, 0.0])


def test_a_single_row_has_no_neighbours():
    _, rows = features(1)
    positions, _ = nearest(rows, 1)
    assert positions.shape == (1, 0)
    assert np.isnan(neighbour_agreement(np.array([0]), positions)).all()


def test_it_can_be_stopped():
    import threading

    stop = threading.Event()
    stop.set()
    _, rows = features(5)
    with pytest.raises(CancelledError):
        nearest(rows, 5, cancel=stop)


@given(st.integers(1, 40), st.integers(0, 12), st.integers(0, 2**32 - 1))
def test_the_most_similar_rows_are_those_of_a_whole_sort_also_where_many_are_as_similar(
    rows, k, seed
):
    rng = np.random.default_rng(seed)
    similarity = rng.integers(-2, 4, (1, rows)).astype(np.float32) / 2
    similarity[0, rng.integers(rows)] = -2.0
    pool, among = np.sort(rng.choice(100, rows, replace=False)), rng.random(100) < 0.7
    found, cosines = neighbours.Alike(pool, similarity).top(0, k, among)
    may = [i for i in range(rows) if similarity[0, i] > -2.0 and among[pool[i]]]
    wanted = sorted(may, key=lambda i: -similarity[0, i])[:k]  # sorted is stable
    assert found.tolist() == [pool[i] for i in wanted]
    assert cosines.tolist() == [similarity[0, i] for i in wanted]
