import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from planted_set import planted
from toy_rows import CONFIG, TRAINING, clouds

from influence_core.errors import CancelledError, DataError
from influence_core.evaluation.proof import Proving, prove, random_like, smallest_flip


def test_without_the_rows_that_harm_the_model_is_right_and_without_random_ones_it_is_not():
    job, listed, right, wrong = planted()
    proof = prove(job, listed, retrainings=5)
    assert proof.predicted("listed", right) == 5
    assert proof.predicted("random", wrong) >= 4
    assert proof.predicted("nothing", wrong) >= 4
    assert proof.difference(right).mean > proof.difference(right).half
    assert "in 5 of 5 retrainings; without 16 random ones in" in proof.sentence(right, "cat")


def test_arms_of_one_retraining_share_everything_but_the_data(monkeypatch):
    """If the random rows are the listed ones, both arms are the same model to the bit."""
    job, listed, _, _ = planted()
    monkeypatch.setattr(
        "influence_core.evaluation.proof.random_like", lambda labels, listed, seed: listed
    )
    proof = prove(job, listed, retrainings=2)
    assert np.array_equal(proof.arms["listed"], proof.arms["random"])
    assert not np.array_equal(proof.arms["listed"][0], proof.arms["listed"][1])


def test_random_rows_are_of_the_same_classes_and_none_of_the_listed():
    labels = np.array([0] * 10 + [1] * 10 + [2] * 3)
    listed = np.array([0, 1, 12, 20, 21])
    for seed in range(20):
        drawn = random_like(labels, listed, seed)
        assert len(set(drawn.tolist())) == 5
        assert not set(drawn.tolist()) & set(listed.tolist())
        # Only one row of class 2 is left; the fifth row comes from the others.
        counts = np.bincount(labels[drawn], minlength=3)
        assert counts[2] == 1
        assert counts[0] >= 2
        assert counts[1] >= 1


def test_smallest_flip_finds_about_as_many_rows_as_it_takes():
    job, listed, _, wrong = planted()
    others = np.arange(40)
    flip = smallest_flip(job, np.concatenate([listed, others]))
    assert flip.smallest is not None
    assert flip.smallest <= len(listed)
    assert flip.proof.flips
    assert len(flip.proof.removed) == flip.smallest
    assert flip.proof.predicted("listed", wrong) < flip.proof.retrainings / 2


def test_a_prediction_that_nothing_flips_is_said_so():
    rows, _, _, y = clouds(n=120, noise=0.0)
    far = torch.zeros(1, 6)
    far[0, int(y[0])] = 6.0
    flip = smallest_flip(
        Proving(rows, CONFIG, replace(TRAINING, epochs=8, batch=64, learning_rate=2e-2), far),
        np.arange(3),
    )
    assert flip.smallest is None
    assert flip.proof is None
    assert list(flip.tried) == [1, 2, 3]


def test_cancel_stops_a_proof():
    job, listed, _, _ = planted()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        prove(job, listed, cancel=cancel)


@pytest.mark.parametrize(
    ("listed", "message"), [([], "No row"), ([3, 3], "twice"), ([9999], "9999 is not among")]
)
def test_lists_that_cannot_be_removed_are_refused(listed, message):
    job, _, _, _ = planted()
    with pytest.raises(DataError, match=message):
        prove(job, np.array(listed, dtype=np.int64))


def test_members_follow_the_budget():
    job, _, _, _ = planted()
    assert job.members(30) == CONFIG.members
    huge = replace(job, config=replace(CONFIG, features=500_000, width=4096, members=16))
    assert huge.members(30) == 1
