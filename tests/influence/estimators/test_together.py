"""The mean over many targets at the price of one is the mean of the targets one by one."""

import numpy as np
import pytest
import torch
from evidence_toy import evidence, targets
from hypothesis import given, settings
from hypothesis import strategies as st

from influence_core.influence import ESTIMATORS
from influence_core.influence.base import LinearPrepared
from influence_core.turnover.head import HeadConfig


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(2, 70),
    count=st.integers(1, 9),
    features=st.integers(1, 40),
    classes=st.sampled_from([2, 3, 5, 66]),  # of 2 and of 66 all share one factor
    seed=st.integers(0, 99),
)
def test_together_is_the_mean_of_one_by_one(n, count, features, classes, seed):
    _, proof = evidence(HeadConfig(features, classes, members=2, width=6), n=n, seed=seed)
    goal = targets(proof, t=count, seed=seed + 1)
    prepared = ESTIMATORS["flipped-ridge"].prepare(proof)
    assert isinstance(prepared, LinearPrepared)
    found = prepared.together(goal).scores(slice(0, n)).scores
    one_by_one = [prepared.query(goal[t : t + 1]).scores(slice(0, n)).scores for t in range(count)]
    wanted = torch.cat(one_by_one).mean(0, keepdim=True).numpy()
    size = float(np.abs(wanted).max()) + 1e-6
    assert found.shape == (1, n)
    assert found.numpy() == pytest.approx(wanted, rel=1e-3, abs=1e-4 * size)
