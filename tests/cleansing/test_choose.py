import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.cleansing.choose import (
    RULES,
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
    chosen = choose([Rule("fraction", share)], SCORES)
    worst = np.argsort(SCORES)[: round(share * 100)]
    assert chosen.tolist() == worst[SCORES[worst] < 0].tolist()


@pytest.mark.parametrize(
    ("by", "amount"),
    [(by, amount) for by in RULES for amount in (0, -1, np.nan, np.inf, -np.inf)]
    + [("fraction", 1), ("count", 1.5), ("fdr", 2)],
)
def test_amounts_that_make_no_sense_are_refused(by, amount):
    with pytest.raises(DataError, match="it must be a"):
        Rule(by, amount)


@pytest.mark.parametrize("name", ["magic", "decisions", "rounds", ""])
def test_an_unknown_rule_lists_the_known_ones(name):
    with pytest.raises(DataError, match=", ".join(RULES)):
        Rule(name, 1)


def test_discoveries_need_p_values():
    with pytest.raises(DataError, match="no p-values"):
        choose([Rule("fdr", 0.1)], SCORES)


def test_under_a_pure_null_discoveries_are_as_rare_as_the_rate_says():
    rng = np.random.default_rng(1)
    runs = 300
    called = 0
    for _ in range(runs):
        called += len(choose([Rule("fdr", 0.1)], rng.normal(size=500), rng.random(500))) > 0
    assert called <= 0.1 * runs + 3 * (runs * 0.09) ** 0.5


def test_rows_of_any_rule_are_chosen_once_and_worst_first():
    few, many = choose([Rule("count", 3)], SCORES), choose([Rule("count", 9)], SCORES)
    both = choose([Rule("count", 3), Rule("fraction", 0.09), Rule("count", 5)], SCORES)
    assert both.tolist() == many.tolist()
    assert both.tolist()[:3] == few.tolist()


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
