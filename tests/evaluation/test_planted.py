import numpy as np
import pytest
import torch
from toy_rows import CONFIG, clouds

from influence_core.errors import DataError
from influence_core.evaluation.planted import flip_labels, planted_noise, quality_of, suspicions
from influence_core.training.heads.types import HeadTraining

TRAINING = HeadTraining(epochs=8, batch=64, learning_rate=1e-2)


def test_flipped_labels_are_as_many_as_asked_and_all_different():
    labels = np.random.default_rng(0).integers(0, 4, 200)
    spoiled, planted = flip_labels(labels, 4, 0.1, seed=1)
    assert planted.sum() == 20
    assert (spoiled[planted] != labels[planted]).all()
    assert np.array_equal(spoiled[~planted], labels[~planted])
    assert spoiled.min() >= 0
    assert spoiled.max() < 4


@pytest.mark.parametrize(("share", "classes"), [(0.0, 3), (1.0, 3), (0.1, 1)])
def test_shares_that_cannot_be_compared_are_refused(share, classes):
    with pytest.raises(DataError, match="cannot be flipped"):
        flip_labels(np.zeros(50, dtype=np.int64), classes, share)


def test_a_perfect_column_is_marked_one_and_a_reversed_one_zero():
    planted = np.array([True, False, False, True])
    assert quality_of(planted.astype(float), planted).auc == 1.0
    assert quality_of(planted.astype(float), planted).average_precision == 1.0
    assert quality_of(-planted.astype(float), planted).auc == 0.0


def test_every_column_finds_planted_rows_far_better_than_chance():
    rows, _, _, _ = clouds(n=240, noise=0.0, spread=0.7)
    found = planted_noise(rows, CONFIG, TRAINING, share=0.1)
    assert set(found) == {"flipped", "learned", "self_influence", "aum"}
    for name, quality in found.items():
        assert quality.auc > (0.6 if name == "self_influence" else 0.8), name


def test_columns_are_suspicious_of_wrong_labels_not_of_right_ones():
    """Turned the same way: the mean over spoiled rows lies above that over the others."""
    rows, truth, _, _ = clouds(n=240, noise=0.15)
    wrong = rows.labels.numpy() != truth
    for name, column in suspicions(rows, CONFIG, TRAINING).items():
        assert column[wrong].mean() > column[~wrong].mean(), name
    assert torch.equal(rows.labels, clouds(n=240, noise=0.15)[0].labels)
