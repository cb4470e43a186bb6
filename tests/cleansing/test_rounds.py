import itertools

import numpy as np
import pytest

from influence_core.cleansing.rounds import Measured, Schedule, best_round, cut_targets, rounds
from influence_core.errors import DataError

BAD = {3, 14, 15, 92, 65, 35}


def world(losses=None):
    """Rows of BAD harm, all others help; the watching loss falls by what is gone, or as told."""

    def measure(kept, number):
        harm = np.where(np.isin(kept, list(BAD)), -1.0 - kept / 1000, 0.5).astype(np.float32)
        left = sum(k in BAD for k in kept.tolist())
        loss = losses[number] if losses else 1 + left / 10
        return Measured(harm, np.ones_like(harm), loss, loss, 1 - loss / 10, 1 - loss / 10)

    return measure


def test_only_harmful_rows_go_worst_first_and_it_stops_when_none_is_left():
    seen = list(rounds(100, Schedule(step=0.04, most=0.5, patience=9), world()))
    assert seen[-1].removed.tolist() == [92, 65, 35, 15, 14, 3]
    assert [len(r.removed) for r in seen] == [0, 4, 6]
    assert (seen[-1].scores < 0).all()


def test_every_state_is_kept_and_each_extends_the_one_before():
    seen = list(rounds(100, Schedule(step=0.01, most=0.05, patience=0), world()))
    for before, after in itertools.pairwise(seen):
        assert after.removed[: len(before.removed)].tolist() == before.removed.tolist()
    assert len(seen[-1].removed) == 5


def test_it_stops_after_patience_without_improvement_and_the_best_round_is_the_best():
    losses = [1.0, 0.9, 0.95, 0.97, 0.5, 0.4]
    seen = list(rounds(100, Schedule(step=0.01, most=0.5, patience=2), world(losses)))
    assert len(seen) == 4  # the fall that would have come later is not waited for
    assert best_round(seen).number == 1


def test_patience_zero_goes_to_the_end():
    losses = [1.0, 2.0, 3.0, 4.0]
    seen = list(rounds(100, Schedule(step=0.01, most=0.03, patience=0), world(losses)))
    assert len(seen) == 4


@pytest.mark.parametrize(("step", "most"), [(0, 0.1), (0.2, 0.1), (0.1, 0.6)])
def test_plans_that_cannot_be_are_refused(step, most):
    with pytest.raises(DataError, match="cannot be done"):
        Schedule(step, most)


def test_the_target_split_is_cut_into_parts_that_share_nothing():
    choose, watch = cut_targets(100)
    assert len(watch) == 30
    assert sorted([*choose, *watch]) == list(range(100))
    with pytest.raises(DataError, match="only 7 labelled items"):
        cut_targets(7)
