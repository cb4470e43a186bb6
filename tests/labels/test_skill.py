"""What the side that flags can be believed for: nothing at chance level or about a lone row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.labels.scores import with_ranking
from influence_core.labels.skill import balanced, flagged, only_known, skill_of


def table(given, proba):
    """The columns that flags are made of; `given` (N,), `proba` (N, C)."""
    given, proba = np.asarray(given), np.asarray(proba, dtype=float)
    return pd.DataFrame(
        {
            "given": given,
            "suggested": proba.argmax(1),
            "p_given": proba[np.arange(len(given)), given],
            "p_suggested": proba.max(1),
        }
    )


def seen(accuracy, n=400, classes=2, wrong=0.0, seed=0):
    """Labels of which a share is wrong, and a side that knows the true ones so often.

    It is surer where it is right more often.
    """
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    sure = rng.random(n)  # 1 is always right, 0 a guess
    right = rng.random(n) < 1 - 2 * (1 - accuracy) * (1 - sure)
    said = np.where(right, true, (true + rng.integers(1, classes, n)) % classes)
    proba = np.full((n, classes), 0.0)
    top = 0.5 + 0.49 * sure
    proba[:] = ((1 - top) / (classes - 1))[:, None]
    proba[np.arange(n), said] = top
    swap = rng.random(n) < wrong
    given = np.where(swap, (true + 1) % classes, true)
    return table(given, proba), swap


def shown(scores):
    skill = skill_of(scores)
    known = with_ranking(only_known(scores, skill))
    return skill, known.assign(flagged=flagged(known, skill.wrong))


@pytest.mark.parametrize("classes", [2, 5])
def test_a_side_that_guesses_flags_and_suggests_nothing_and_says_why(classes):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, classes, 200)
    skill, found = shown(table(labels, rng.dirichlet(np.ones(classes), 200)))
    assert not skill.learned
    assert not found["flagged"].any()
    assert (found["suggested"] == found["given"]).all()
    (said,) = skill.sentences("abcde")
    assert "learned nothing" in said and f"guessing gets {1 / classes:.0%}" in said


def test_equal_probabilities_everywhere_are_chance_however_uneven_the_classes():
    labels = np.array([0] * 190 + [1] * 10)
    skill, found = shown(table(labels, np.tile([0.95, 0.05], (200, 1))))
    assert skill.accuracy == 0.95
    assert not skill.learned and not found["flagged"].any()


def test_a_side_that_is_worse_than_guessing_flags_nothing():
    labels = np.arange(100) % 2
    skill, found = shown(table(labels, np.eye(2)[1 - labels] * 0.2 + 0.4))
    assert skill.recall == 0 and not skill.learned and not found["flagged"].any()


def test_the_only_row_of_a_class_is_neither_flagged_nor_suggested_away():
    scores, _ = seen(0.95, classes=3)
    scores.loc[0, ["given", "suggested", "p_given", "p_suggested"]] = [3, 0, 0.0, 1.0]
    skill, found = shown(scores.astype({"given": int, "suggested": int}))
    assert skill.alone == (3,)
    assert found.loc[0, "suggested"] == 3 and not found.loc[0, "flagged"]
    assert "'fraud' has a single training row" in skill.sentences(["a", "b", "c", "fraud"])[1]


def test_several_lone_classes_are_one_sentence():
    scores, _ = seen(0.95, classes=3)
    scores.loc[:4, "given"] = [3, 4, 5, 6, 7]
    said = skill_of(scores).sentences([f"c{i}" for i in range(8)])
    assert len(said) == 2 and "'c3', 'c4', 'c5' and 2 more have a single" in said[1]


def test_one_class_and_lone_rows_say_that_nothing_can_be_said():
    labels = np.array([0] * 50 + [1])
    skill, found = shown(table(labels, np.tile([0.9, 0.1], (51, 1))))
    assert not found["flagged"].any()
    assert skill.sentences("ab")[0].startswith("Fewer than two classes")


def test_no_labelled_row_at_all_is_no_error():
    scores = pd.DataFrame(
        {"given": [-1, -1], "suggested": [0, 1], "p_given": [np.nan] * 2, "p_suggested": [0.6] * 2}
    )
    skill, found = shown(scores)
    assert not skill.learned and not found["flagged"].any()


def test_a_weak_model_flags_far_fewer_rows_than_it_objects_to_and_says_that_it_errs():
    scores, _ = seen(0.66, n=4000, wrong=0.05)
    skill, found = shown(scores)
    objects = (scores["given"] != scores["suggested"]).sum()
    assert skill.learned and found["flagged"].sum() < objects / 2
    assert "expect many flags to be its own mistakes" in skill.sentences("ab")[0]


@pytest.mark.parametrize("wrong", [0.05, 0.1, 0.2])
def test_a_good_model_flags_about_as_many_labels_as_are_wrong(wrong):
    scores, swap = seen(0.99, n=2000, classes=4, wrong=wrong)
    skill, found = shown(scores)
    assert swap.sum() * 0.6 < skill.wrong < swap.sum() * 1.6 + 20
    assert swap[found["flagged"]].mean() > 0.6
    assert skill.sentences("abcd")[0].endswith(("has not seen.", "own mistakes."))


def test_few_rows_without_an_objection_do_not_mean_that_no_label_is_wrong():
    scores, _ = seen(1.0, n=40)
    scores.loc[7, "given"] = 1 - scores.loc[7, "given"]
    scores.loc[7, "p_given"] = 0.01
    assert shown(scores)[1].loc[7, "flagged"]


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=40))
def test_recall_is_the_mean_over_classes_of_two_rows_or_more(rows):
    labels = np.array([label for label, _ in rows], dtype=np.int64)
    hits = np.array([hit for _, hit in rows], dtype=bool)
    shares = [hits[labels == c].mean() for c in set(labels.tolist()) if (labels == c).sum() > 1]
    recall, _, classes = balanced(labels, hits)
    assert classes == len(shares)
    assert recall == pytest.approx(np.mean(shares) if shares else 0.0)
