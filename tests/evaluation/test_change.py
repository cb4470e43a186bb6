"""Predicted changes of a probability, and how far retrainings say they lie off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.evaluation.change import UNCHECKED, Calibration, calibrate, predicted_change

floats = st.floats(-20, 20)


def test_a_small_change_is_that_of_the_loss():
    log_proba = np.log([0.2, 0.5, 0.9])
    effects = np.array([1e-4, -2e-4, 3e-4])  # positive lowered the loss
    found = predicted_change(log_proba, effects)
    assert found.rise == pytest.approx(effects.mean(), rel=1e-2)
    # dp = −p dloss, member by member
    wanted = -(np.exp(log_proba) * effects).mean()
    assert found.after - found.before == pytest.approx(wanted, rel=1e-2)
    assert np.isnan(found.half) and np.isnan(found.loss_half)


@given(st.lists(st.tuples(st.floats(-40, -1e-9), floats), min_size=1, max_size=4))
def test_a_probability_stays_one_and_helpful_rows_are_missed(pairs):
    log_proba, effects = np.array(pairs).T
    found = predicted_change(log_proba, effects, Calibration(1.2, 0.3, 9))
    assert 0 <= found.after <= 1 and np.isfinite(found.loss_after) and found.half >= 0
    if (effects > 0.1).all() and (log_proba > -25).all() and (log_proba < -1e-6).all():
        assert found.after < found.before and found.rise > 0


def test_a_slope_is_found_and_its_interval_holds_most_of_the_next():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        a = rng.uniform(0.2, 2, 13)
        slopes = 1.5 + 0.2 * rng.normal(size=13)
        known = calibrate(a[:12], slopes[:12] * a[:12])
        assert known.count == 12
        inside += abs(slopes[12] - known.slope) < known.error
    assert 170 <= inside <= 199  # 95 %


def test_too_few_or_contrary_retrainings_tell_nothing():
    assert calibrate(np.ones(4), np.ones(4)) is UNCHECKED
    assert calibrate(np.ones(9), -np.ones(9)) is UNCHECKED
    assert calibrate(np.zeros(9), np.ones(9)) is UNCHECKED
    assert calibrate(np.append(np.ones(4), np.nan), np.ones(5)) is UNCHECKED
