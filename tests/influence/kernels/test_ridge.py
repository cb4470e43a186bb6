"""The single-target kernel against the formula it stands for, in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.influence.kernels.cache_lines import LANES
from influence_core.influence.kernels.ridge import SingleKernel, _block, has_halves

KINDS = [np.float32, np.float16] if has_halves() else [np.float32]


def case(rows, depth, classes, seed=0):
    draw = np.random.default_rng(seed)
    shapes = ((rows, depth), (depth, classes), (classes,), (rows, classes))
    return [draw.standard_normal(shape, dtype=np.float32) for shape in shapes]


def oracle(x, weights, bias, residual):
    return ((x.astype(np.float64) @ weights + bias) * residual).sum(1)


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 40),
    depth=st.integers(LANES, 3 * LANES + 1),
    # Few shapes: each number of classes a tile is compiled once.
    classes=st.sampled_from([1, 2, 3, 10, 12, 13, 25]),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(KINDS),
)
def test_every_shape_equals_the_formula(rows, depth, classes, seed, kind):
    x, weights, bias, residual = case(rows, depth, classes, seed)
    x = x.astype(kind)
    found = SingleKernel.of(weights, bias).scores(x, residual)
    wanted = oracle(x, weights, bias, residual)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize("rows", [4095, 4096, 4097, 12_289])
def test_blocks_of_several_threads_meet_without_a_gap(rows):
    x, weights, bias, residual = case(rows, LANES + 3, 3)
    found = SingleKernel.of(weights, bias).scores(x, residual)
    wanted = oracle(x, weights, bias, residual)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("classes", [2, 70])
def test_residuals_of_classes_that_share_weights_are_summed_up(classes):
    x, weights, bias, residual = case(4_099, LANES, 1)
    residual, shared = (case(4_099, 1, classes)[which] for which in (3, 2))
    found = SingleKernel.of(weights, bias, shared).scores(x, residual)
    wanted = oracle(x, weights, bias, (residual.astype(np.float64) @ shared)[:, None])
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_rows_of_a_mapped_file_are_compiled_for_once(tmp_path):
    x, weights, bias, residual = case(64, LANES + 1, 1)
    np.save(tmp_path / "x.npy", x)
    kernel = SingleKernel.of(weights, bias)
    own = kernel.scores(x, residual)
    compiled = len(_block.signatures)
    mapped = kernel.scores(np.load(tmp_path / "x.npy", mmap_mode="r"), residual)
    np.testing.assert_array_equal(mapped, own)
    assert len(_block.signatures) == compiled


def test_rows_that_are_a_view_give_the_same():
    x, weights, bias, residual = case(64, 2 * LANES, 4)
    kernel = SingleKernel.of(weights, bias)
    np.testing.assert_array_equal(
        kernel.scores(x[::2], residual[::2]),
        kernel.scores(np.ascontiguousarray(x[::2]), np.ascontiguousarray(residual[::2])),
    )
