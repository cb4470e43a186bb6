"""One class in two spellings, several labels in one, and words for none: told, joined, left out."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.checks.spellings import (
    first_labels,
    missing_names,
    same_classes,
    several_labels,
    telling,
)
from influence_core.data.labelling.joining import joined, left_out
from influence_core.errors import DataError

TOPICS = ("acting", "look", "music", "pace", "plot")


@pytest.mark.parametrize(
    "names",
    [
        ["1", "1.0"],
        ["1", "01"],
        ["2", "2."],
        ["7", "+7", "7.00"],
        ["1.5", "1.50"],
        ["-1", "-1.0"],
        ["1", "1e0", "1E+00"],
        ["positive", "positive\u200b"],
        ["positive", "\ufeffpositive"],
        ["spam", "sp\u00adam"],
        ["café", unicodedata.normalize("NFD", "café")],
        ["paypal", "раyраl"],  # two Cyrillic letters, twice
        ["Beta", "Βeta"],  # a Greek capital
        ["KOMETA", "КОМЕТА"],
        ["positive", "Positive", "POSITIVE "],
        ["New York", "new  york", "new_york", "New-York"],
        ["ﬁne", "fine"],
        ["positive", "ｐｏｓｉｔｉｖｅ"],
        ["spam", "spam."],
        ["spam", "'spam'"],
        ["Straße", "STRASSE"],
        ["weather\u00a0report", "weather report"],
    ],
)
def test_one_class_in_several_spellings_is_one_group(names):
    assert same_classes([*names, "other"]) == [names]


def test_yes_and_no_are_one_class_in_all_their_words_where_all_names_are_such():
    assert same_classes(["1", "True", "0", "no", "yes"]) == [["1", "True", "yes"], ["0", "no"]]
    assert same_classes(["1", "True", "2"]) == []
    assert same_classes(list("abcfnty01")) == []  # letters and digits to be told apart


@pytest.mark.parametrize(
    "names",
    [
        ["1", "-1"],
        ["1", "10"],
        ["1", "1.5"],
        ["C", "C++", "C#"],
        ["a", "b"],
        ["вес", "вид"],
        ["10%", "10"],
        ["😀", "😢"],
        ["??", "!!"],
        ["no", "not"],
    ],
)
def test_classes_that_differ_in_meaning_are_no_group(names):
    assert same_classes(names) == []


def test_names_that_look_the_same_are_told_by_their_codes():
    assert telling(["a", "а"]) == ["'a'", "'\\u0430'"]
    assert telling(["Pos", "pos"]) == ["'Pos'", "'pos'"]


@given(st.lists(st.text(max_size=6), unique=True, max_size=12))
def test_groups_are_parts_of_the_names_and_hold_each_once(names):
    grouped = [name for group in same_classes(names) for name in group]
    assert sorted(grouped) == sorted(set(grouped)) and set(grouped) <= set(names)


def test_words_for_missing_are_told_from_classes():
    words = ["nan", "NULL", "N/A", "#N/A", "None", "-", "?", "NaN ", "<NA>", "missing"]
    assert missing_names([*words, "no", "not", "nano", "0", "unknown", "other"]) == words


@pytest.mark.parametrize("mark", ["|", ";", ",", ", ", " | ", "/"])
def test_several_labels_between_marks_are_seen(mark):
    names = ["look", "plot", *(mark.join([a, b]) for a in TOPICS for b in TOPICS if a < b)]
    found = several_labels(names)
    assert len(found) == 10
    assert found[f"acting{mark}look"] == ["acting", "look"]
    assert first_labels(names)[f"look{mark}plot"] == "look"


def test_several_labels_in_lists_are_seen_and_lists_of_one_are_opened():
    names = [json.dumps(["look"]), json.dumps(["plot", "look"]), json.dumps([])]
    assert several_labels(names) == {'["plot", "look"]': ["plot", "look"]}
    assert first_labels(names) == {'["look"]': "look", '["plot", "look"]': "plot"}
    python = ["['look', 'pace']", "['look']"]
    assert first_labels(python) == dict.fromkeys(python, "look")


@pytest.mark.parametrize(
    "names",
    [
        ["Smith, John", "Doe, Jane", "Roe, Richard"],
        ["and/or", "neither"],
        ["positive", "negative"],
        ["task_0", "task_1"],
        ["[redacted]", "open", "closed"],
        [],
    ],
)
def test_a_mark_in_a_name_does_not_make_several_labels(names):
    assert several_labels(names) == {} and first_labels(names) == {}


def test_joining_takes_the_most_frequent_spelling_and_follows_what_was_told_in_order():
    counts = {"1": 5, "1.0": 2, "0": 3, "0.0": 4, "maybe": 1}
    assert joined(counts, ["alike"]) == {"1.0": "1", "0": "0.0"}
    assert joined(counts, ["1=maybe", "alike"]) == {"maybe": "1", "1.0": "1", "0": "0.0"}
    assert joined(counts, ["alike", "good=1"]) == {"1": "good", "1.0": "good", "0": "0.0"}
    assert joined({"a|b": 1, "A": 3, "b": 1, "b|a": 1, "a": 1}, ["first", "alike"]) == {
        "a|b": "A", "a": "A", "b|a": "b",
    }  # fmt: skip
    assert joined({"a=b": 1, "c": 1}, ["x=a=b"]) == {"a=b": "x"}


@pytest.mark.parametrize("told", ["nonsense", "a=zebra", "=a", ""])
def test_what_joins_nothing_is_refused_with_the_labels_that_are_there(told):
    with pytest.raises(DataError, match=r"joins nothing.*'a'"):
        joined({"a": 1, "b": 2}, [told])


def test_leaving_out_takes_labels_that_are_there_and_all_that_read_like_none():
    assert left_out(["a", "nan", "N/A"], ["missing"]) == {"nan", "N/A"}
    assert left_out(["a", "b"], ["b"]) == {"b"}
    with pytest.raises(DataError, match="No label reads 'c'"):
        left_out(["a", "b"], ["c"])
