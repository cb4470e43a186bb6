"""Kinds of rows: dense places, however they are turned or scaled, the heaviest first."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.cleansing.kinds import MOST, SMALLEST, kinds


def places(sizes, d=6, seed=0):
    """Tight clouds of these sizes around far centres, shuffled, and which cloud each row is of."""
    rng = np.random.default_rng(seed)
    own = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    x = 10 * np.eye(d)[own] + 0.1 * rng.normal(size=(len(own), d))
    return x.astype(np.float32), own


def test_each_cloud_is_a_kind_and_the_heaviest_comes_first():
    x, own = places([12, 30, 7])
    weights = np.array([1.0, 0.1, 0.5], np.float32)[own]  # 12, 3 and 3.5 together
    found = kinds(x, weights)
    assert [set(own[kind.rows]) for kind in found] == [{0}, {2}, {1}]
    assert [len(kind.rows) for kind in found] == [12, 7, 30]
    assert all(own[kind.medoid] == own[kind.rows[0]] for kind in found)


def test_rows_stand_by_weight_and_the_medoid_is_where_the_weight_is():
    x, own = places([20, 20])
    cloud = np.flatnonzero(own == 0)
    x[cloud[:6]] += np.array([0, 0, 3, 0, 0, 0], np.float32)
    weights = np.where(np.isin(np.arange(40), cloud[:6]), 9.0, 0.1).astype(np.float32)
    first = kinds(x, weights)[0]
    assert (np.diff(weights[first.rows]) <= 0).all()
    assert first.medoid in cloud[:6]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 40), st.integers(1, 5), st.integers(0, 99), st.integers(1, MOST))
def test_whatever_the_shape_kinds_are_apart_and_few(rows, d, seed, most):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, d)).astype(np.float32)
    if rows > 3 and seed % 3 == 0:
        x[: rows // 2] = x[0]  # copies
    weights = rng.random(rows).astype(np.float32) + 0.01
    found = kinds(x, weights, most)
    everyone = [int(row) for kind in found for row in kind.rows]
    assert len(found) <= most
    assert len(set(everyone)) == len(everyone)
    assert set(everyone) <= set(range(rows))
    assert all(len(kind.rows) >= SMALLEST and kind.medoid in kind.rows for kind in found)
    heavy = [float(weights[kind.rows].sum()) for kind in found]
    assert heavy == sorted(heavy, reverse=True)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_unit_of_the_features_does_not_matter(scale):
    x, _ = places([9, 14, 6], seed=3)
    weights = np.linspace(1, 2, len(x)).astype(np.float32)
    one, other = kinds(x, weights), kinds((x + 7) * np.float32(scale), weights)
    assert [k.rows.tolist() for k in one] == [k.rows.tolist() for k in other]


def test_known_kinds_stand_as_they_are_and_the_rest_is_sorted_beside_them():
    x, own = places([12, 30, 7])
    weights = np.ones(49, np.float32)
    across = np.sort(np.r_[np.flatnonzero(own == 0)[:6], np.flatnonzero(own == 1)[:6]])
    found = kinds(x, weights, known=[across])
    sets = [set(kind.rows.tolist()) for kind in found]
    assert set(across.tolist()) in sets
    rest = [rows for rows in sets if rows != set(across.tolist())]
    assert all(not rows & set(across.tolist()) for rows in rest)
    assert sorted(sorted(set(own[sorted(rows)])) for rows in rest) == [[0], [1], [2]]
