import pytest

from influence_core.labels.copies import Stay, who_stays


@pytest.mark.parametrize(
    ("labels", "likely", "stay"),
    [
        ([1, 0, 0], {}, Stay(1, False)),  # the first of the majority, not the first of all
        ([0, 0, 1], {1: 0.99}, Stay(0, False)),  # a majority asks no model
        ([0, 1], {}, Stay(0, True)),
        ([0, 1], {0: 0.2, 1: 0.7}, Stay(1, True)),
        ([2, 0, 1, 0, 1], {0: 0.2, 1: 0.3, 2: 0.9}, Stay(2, True)),  # 2 is no candidate
        ([-1, -1, 3], {}, Stay(2, False)),  # who has no label has no voice
        ([-1, -1], {}, Stay(0, False)),
    ],
)
def test_the_first_row_that_agrees_with_the_majority_stays(labels, likely, stay):
    assert who_stays(labels, likely) == stay
