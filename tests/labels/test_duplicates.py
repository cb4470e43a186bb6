import numpy as np

from influence_core.labels.duplicates import conflicting_pairs


def none(n):
    return np.zeros((n, 0), np.int64), np.zeros((n, 0), np.float32)


def test_equal_contents_with_different_labels_are_a_pair():
    hashes = np.array([5, 7, 5, 7, 5], dtype=np.uint64)
    found = conflicting_pairs(np.array([0, 1, 1, 1, 0]), hashes, none(5))
    assert found[["position_a", "position_b", "kind"]].to_numpy().tolist() == [[0, 2, "exact"]]
    assert found[["label_a", "label_b"]].to_numpy().tolist() == [[0, 1]]


def test_near_duplicates_are_pairs_once_and_after_the_exact_ones():
    hashes = np.array([1, 2, 3, 4, 4], dtype=np.uint64)
    labels = np.array([0, 1, 0, 0, 1])
    positions = np.array([[1], [0], [0], [4], [3]])
    similarity = np.array([[0.99], [0.99], [0.999], [1.0], [1.0]], np.float32)
    found = conflicting_pairs(labels, hashes, (positions, similarity))
    # 0 and 2 are alike but agree; 3 and 4 are exact and not counted twice.
    assert found[["position_a", "position_b", "kind"]].to_numpy().tolist() == [
        [3, 4, "exact"],
        [0, 1, "near"],
    ]
    assert conflicting_pairs(labels, hashes, (positions, similarity), near=0.995).shape[0] == 1


def test_no_pair_is_an_empty_table_with_its_columns():
    found = conflicting_pairs(np.array([0, 1]), np.array([1, 2], dtype=np.uint64), none(2))
    assert found.empty
    assert "similarity" in found


def test_a_row_without_a_label_contradicts_nothing():
    hashes = np.array([5, 5, 7, 8], dtype=np.uint64)
    alike = (np.array([[1], [0], [3], [2]]), np.ones((4, 1), np.float32))
    assert conflicting_pairs(np.array([-1, 0, 1, -1]), hashes, alike).empty
    assert len(conflicting_pairs(np.array([1, 0, 1, 0]), hashes, alike)) == 2
