import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.cleansing.choose import (
    RULES,
    Candidates,
    Rule,
    Selection,
    choose,
    class_changes,
    random_control,
    warnings_of,
)
from influence_core.errors import DataError

LABELS = np.array([0] * 50 + [1] * 30 + [2] * 20)
SCORES = np.random.default_rng(0).normal(size=100)


@given(st.floats(0.01, 0.4))
def test_a_fraction_takes_the_most_harmful_and_never_a_helpful_row(share):
    chosen = choose(Candidates(SCORES), [Rule("fraction", share)])
    worst = np.argsort(SCORES)[: round(share * 100)]
    assert chosen.removed.tolist() == worst[SCORES[worst] < 0].tolist()


@pytest.mark.parametrize("rule", [Rule("fraction", 0), Rule("count", 1.5), Rule("fdr", 2)])
def test_amounts_that_make_no_sense_are_refused(rule):
    with pytest.raises(DataError):
        choose(Candidates(SCORES, np.ones(100)), [rule])


def test_an_unknown_rule_lists_the_known_ones():
    with pytest.raises(DataError, match=next(iter(RULES))):
        choose(Candidates(SCORES), [Rule("magic")])


def test_discoveries_need_a_null():
    with pytest.raises(DataError, match="no null"):
        choose(Candidates(SCORES), [Rule("fdr", 0.1)])


def test_under_a_pure_null_discoveries_are_as_rare_as_the_rate_says():
    rng = np.random.default_rng(1)
    runs = 300
    called = 0
    for _ in range(runs):
        noise = Candidates(rng.normal(size=500), rng.random(500))
        called += len(choose(noise, [Rule("fdr", 0.1)])) > 0
    assert called <= 0.1 * runs + 3 * (runs * 0.09) ** 0.5


def test_a_reviewers_label_wins_over_removal_by_score():
    worst = int(SCORES.argmin())
    decided = Candidates(SCORES, decisions={worst: 2, 5: None})
    chosen = choose(decided, [Rule("count", 3), Rule("decisions")])
    assert chosen.relabelled == {worst: 2}
    assert worst not in chosen.removed
    assert 5 in chosen.removed
    assert chosen.reasons[worst] == ("count", "decisions")


@given(st.lists(st.integers(0, 99), min_size=1, unique=True), st.integers(0, 5))
def test_controls_take_as_many_of_each_class(removed, seed):
    control = random_control(LABELS, Selection(np.array(removed)), seed)
    assert len(set(control.tolist())) == len(removed)
    assert np.array_equal(
        np.bincount(LABELS[control], minlength=3), np.bincount(LABELS[removed], minlength=3)
    )


def test_a_class_that_loses_much_is_named_and_one_shot_is_warned_of():
    selection = Selection(np.arange(85, 100), {0: 2})
    changes = class_changes(LABELS, selection, ["a", "b", "c"])
    assert [c.after for c in changes] == [49, 30, 6]
    said = warnings_of(selection, changes, 100, one_shot=True)
    assert len(said) == 2
    assert "beyond 2 % go in rounds" in said[0]
    assert "'c' would lose 14 of its 20 rows" in said[1]
