import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted_set import planted

from influence_core.evaluation.adaptive import PARTS, adaptive_order, fewest_rows
from influence_core.evaluation.proof import smallest_flip


def test_rows_that_count_for_more_once_others_are_gone_come_next():
    """Rows 0 to 4 are copies: without two of them the others are worth nothing, and 5 to 9 are."""

    def strengths(gone):
        spent = np.isin(np.arange(5), gone).sum() >= 2
        return np.r_[
            np.full(5, 0.0 if spent else 1.0), np.arange(5) + 2.0 if spent else np.zeros(5)
        ]

    order = adaptive_order(np.arange(10), strengths, size=2 * PARTS)
    assert order.tolist() == [0, 1, 9, 8, 7, 6, 5]  # and then nothing is above 0


@settings(max_examples=60)
@given(
    size=st.integers(1, 30), rows=st.integers(30, 60), seed=st.integers(0, 99)
)  # fmt: skip
def test_it_is_the_slow_version(size, rows, seed):
    """Part by part, the strongest row that is left, one at a time."""
    rng = np.random.default_rng(seed)
    first = rng.permutation(rows)

    def strengths(gone):
        return np.random.default_rng((seed, len(gone))).normal(size=rows)

    part, wanted = -(-size // PARTS), []
    wanted += first[: min(part, size)].tolist()
    while len(wanted) < size:
        own, added = strengths(wanted), []
        for _ in range(min(part, size - len(wanted))):
            left = [row for row in range(rows) if row not in wanted + added and own[row] > 0]
            if left:
                added.append(max(left, key=lambda row: own[row]))
        if not added:
            break
        wanted += added
    assert adaptive_order(first, strengths, size).tolist() == wanted


@pytest.mark.parametrize("misled", [False, True])
def test_the_set_is_never_larger_than_the_static_one(misled):
    """A list of which every other row does nothing is bettered; useless strengths do no harm."""
    job, listed, _, _ = planted()
    ranking = np.stack([listed, np.arange(len(listed))], 1).ravel()
    static = smallest_flip(job, ranking)
    assert static.smallest is not None

    def strengths(gone):
        useful = np.isin(np.arange(136), listed).astype(float)
        return 1.0 - useful if misled else useful

    found = fewest_rows(job, ranking, strengths, static)
    assert found.proof is not None and found.proof.flips
    assert len(found.proof.removed) == found.smallest
    if misled:
        assert found.smallest <= static.smallest
    else:
        assert found.smallest < static.smallest
