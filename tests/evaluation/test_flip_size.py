import threading

import numpy as np
import pytest
from planted_set import planted

from influence_core.errors import CancelledError
from influence_core.evaluation.flip_size import crossing, estimated_flip, leads, sizes_of
from influence_core.evaluation.proof import smallest_flip


def test_a_planted_set_is_found_to_be_about_as_large_as_the_search_says():
    job, listed, _, _ = planted()
    ranking = np.concatenate([listed, np.arange(40)])
    searched = smallest_flip(job, ranking).smallest
    events = []
    found = estimated_flip(job, ranking, progress=events.append)
    assert found is not None
    assert searched / 4 <= found <= 4 * searched
    assert [event.done for event in events] == [1, 2, 3]


def test_cancel_stops_it():
    job, listed, _, _ = planted()
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        estimated_flip(job, listed, cancel=cancel)


@pytest.mark.parametrize(
    ("lead", "size"),
    [
        ([2.0, 1.0, -1.0, -2.0], 8),  # half-way between 4 and 16, by logarithm
        ([2.0, -2.0, -3.0, -4.0], 2),
        ([-1.0, -2.0, -3.0, -4.0], 1),
        ([3.0, 2.0, 1.0, 0.0], None),
    ],
)
def test_the_size_lies_where_the_lead_crosses_zero(lead, size):
    assert crossing([4, 16, 64], np.array(lead)) == size


def test_sizes_grow_up_to_the_whole_ranking():
    assert sizes_of(3) == [3]
    assert sizes_of(4) == [4]
    assert sizes_of(100) == [4, 16, 64, 100]


def test_a_lead_is_that_of_the_class_that_is_usual_with_all_rows():
    proba = np.array([[[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]]])
    np.testing.assert_allclose(leads(proba), [np.log(2.0), np.log(0.2 / 0.7)])
