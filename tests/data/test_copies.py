"""Copies of every kind as one list of sets, against the slow way: compare each row with each."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.build import build_dataset
from influence_core.data.checks.contents import folded_text
from influence_core.data.checks.copies import copy_sets, exact_sets
from influence_core.data.checks.near import CopySet

BASE = ["the plot is thin but the actors save the evening", "nobody liked the soundtrack of it"]
TEXTS = [
    BASE[0], f"and {BASE[0]}", f"{BASE[0]} !", BASE[1], BASE[1].upper(), "fine", "Fine!",
    "what a waste of popcorn", "a train came late once more",
]  # fmt: skip
NEAR = {frozenset(TEXTS[:2]), frozenset((TEXTS[1], TEXTS[2]))}  # beside those that fold alike
ROWS = st.lists(st.sampled_from(TEXTS), min_size=2, max_size=12)


def slow(rows):
    """Sets of places by following all pairs."""
    sets = [{place} for place in rows]
    for a, b in combinations(rows, 2):
        same = folded_text(rows[a]) == folded_text(rows[b])
        if same or frozenset((rows[a], rows[b])) in NEAR:
            joined = [one for one in sets if a in one or b in one]
            sets = [one for one in sets if one not in joined] + [set().union(*joined)]
    return {frozenset(one) for one in sets if len(one) > 1}


@given(train=ROWS, test=ROWS)
def test_sets_are_those_of_comparing_each_row_with_each(train, test):
    parts = {"train": train, "test": test}
    built = build_dataset(
        {name: {"text": texts, "label": [0] * len(texts)} for name, texts in parts.items()}, ["a"]
    )
    rows = {(name, at): text for name, texts in parts.items() for at, text in enumerate(texts)}
    found = copy_sets(built)
    assert {frozenset(one.rows) for one in found} == slow(rows)
    for one in found:
        assert (one.kind == "exact") == (len({rows[place] for place in one.rows}) == 1)
    firsts = [list(rows).index(one.rows[0]) for one in found]
    assert firsts == sorted(firsts)
    same = {frozenset(one.rows) for one in exact_sets(built)}
    by_text = {frozenset(p for p in rows if rows[p] == text) for text in rows.values()}
    assert same == {one for one in by_text if len(one) > 1}


def test_many_exact_copies_are_a_set_and_no_pattern_of_writing():
    built = build_dataset({"train": {"text": [BASE[0]] * 150, "label": [0] * 150}}, ["a"])
    assert copy_sets(built) == [CopySet("exact", tuple(("train", i) for i in range(150)))]
