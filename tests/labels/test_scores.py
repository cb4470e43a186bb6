import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues

from influence_core.errors import DataError
from influence_core.labels.scores import COLUMNS, RANKINGS, label_scores, with_ranking
from influence_core.labels.skill import flagged


def run_table(labels, flipped, seed=0):
    """What a run stores about rows with these labels (N,) and flipped probabilities (N, C)."""
    n = len(labels)
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "key": np.arange(n, dtype=np.uint64),
            "label": labels,
            "flipped_label": flipped[np.arange(n), labels],
            "learned_label": rng.random(n),
            "flipped_predicted": flipped.argmax(1),
            "flipped_confidence": flipped.max(1),
            "self_influence": rng.normal(size=n),
            "self_influence_stderr": rng.random(n),
            "aum": rng.normal(size=n),
        }
    )


def toy(n=200, classes=3, seed=0):
    """Labels of which a tenth is wrong, and probabilities that know better."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    flipped = rng.dirichlet(np.ones(classes), n) * 0.4
    flipped[np.arange(n), true] += 0.6
    labels = true.copy()
    wrong = rng.permutation(n)[: n // 10]
    labels[wrong] = (labels[wrong] + 1) % classes
    return labels, flipped.astype(np.float32), wrong


def test_every_column_is_documented_and_there():
    labels, flipped, _ = toy()
    table = with_ranking(label_scores(run_table(labels, flipped), flipped, np.zeros(200)))
    assert [*table.columns, "flagged"] == list(COLUMNS)
    assert all(text.endswith((".", ";")) for text in COLUMNS.values())


def test_wrong_labels_come_first_and_are_corrected():
    labels, flipped, wrong = toy()
    table = with_ranking(label_scores(run_table(labels, flipped), flipped, np.zeros(200)))
    first = table.sort_values("suspicion_rank").head(len(wrong))
    assert set(first["position"]) == set(wrong)
    true = (labels[wrong] - 1) % 3
    np.testing.assert_array_equal(table.loc[wrong, "suggested"], true)


def test_cleanlab_decides_as_it_does_by_itself():
    labels, flipped, _ = toy()
    table = label_scores(run_table(labels, flipped), flipped, np.zeros(200))
    alone = find_label_issues(labels, flipped / flipped.sum(1, keepdims=True), n_jobs=1)
    np.testing.assert_array_equal(table["cleanlab_issue"], alone)


def test_classes_without_rows_do_not_stop_cleanlab():
    labels, flipped, wrong = toy()
    wide = np.concatenate([flipped, np.full((200, 2), 1e-4, np.float32)], 1)
    table = label_scores(run_table(labels, wide), wide, np.zeros(200))
    assert table["cleanlab_issue"][wrong].mean() > 0.5
    single = np.zeros(200, dtype=np.int64)
    assert not label_scores(run_table(single, wide), wide, np.zeros(200))["cleanlab_issue"].any()


@pytest.mark.parametrize("name", list(RANKINGS))
def test_ranks_are_a_permutation_sorted_by_suspicion(name):
    labels, flipped, _ = toy()
    table = with_ranking(label_scores(run_table(labels, flipped), flipped, np.zeros(200)), name)
    assert sorted(table["suspicion_rank"]) == list(range(200))
    queue = table.sort_values("suspicion_rank")
    assert queue["suspicion"].is_monotonic_decreasing
    column = queue[RANKINGS[name].column]
    assert column.is_monotonic_decreasing if RANKINGS[name].high else column.is_monotonic_increasing


def test_a_column_without_values_gives_way_to_the_default():
    labels, flipped, _ = toy()
    rows = run_table(labels, flipped).assign(aum=np.nan)
    scores = label_scores(rows, flipped, np.zeros(200))
    pd.testing.assert_frame_equal(with_ranking(scores, "aum"), with_ranking(scores, "flipped"))


def test_rows_without_a_label_are_suggested_one_come_last_and_change_nothing_else():
    labels, flipped, _ = toy()
    bare = labels.copy()
    bare[:5] = -1
    table = with_ranking(label_scores(run_table(bare, flipped), flipped, np.ones(200)))
    assert set(table.nlargest(5, "suspicion_rank")["position"]) == set(range(5))
    np.testing.assert_array_equal(table["suggested"], flipped.argmax(1))
    assert not flagged(table, len(table))[:5].any()
    assert (
        table.loc[:4, ["p_given", "aum", "knn_agreement", "cleanlab_quality"]].isna().all(axis=None)
    )
    rest = label_scores(run_table(bare, flipped)[5:], flipped[5:], np.ones(195))
    for name in ("cleanlab_issue", "cleanlab_quality", "p_given"):
        np.testing.assert_array_equal(table[name][5:], rest[name])


def test_arrays_of_other_rows_are_refused():
    labels, flipped, _ = toy()
    with pytest.raises(DataError, match="200 rows, probabilities of 199"):
        label_scores(run_table(labels, flipped), flipped[1:], np.zeros(200))
