"""Filters of lists: what they let through, what they count, and that the address bar leads."""

import numpy as np
import pandas as pd
import pytest
from errors_page import start, worst
from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest
from tiny import dataset

from influence_core.data.dataset import containing
from pages.ui.confusion import most_confused
from pages.ui.errors.filters import ItemFilter

CLASSES = ("bad", "good")


@pytest.fixture(scope="module")
def split():
    return dataset().split("test")


@pytest.fixture(scope="module")
def table(split):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "key": split.keys,
            "label": rng.choice(CLASSES, len(split)),
            "predicted": rng.choice(CLASSES, len(split)),
            "confidence": rng.random(len(split)),
        }
    )


choices = st.lists(st.sampled_from(CLASSES), unique=True).map(tuple)


@given(choices, choices, st.integers(0, 100), st.integers(0, 100), st.sampled_from(["", "A", "1"]))
def test_narrowing_is_the_obvious_loop_and_facets_count_it(split, table, true, pred, low, high, q):
    wanted = ItemFilter(true, pred, low, high, q)

    def passes(row, true, pred):
        text = split.texts([int(split.positions_of([row.key])[0])])[0]
        return (
            (not true or row.label in true)
            and (not pred or row.predicted in pred)
            and low <= 100 * row.confidence <= high
            and q.lower() in text.lower()
        )

    rows = list(table.itertuples())
    expected = [row.key for row in rows if passes(row, true, pred)]
    assert wanted.narrow(table, split)["key"].tolist() == expected
    facets = wanted.facets(table, split)
    for name in CLASSES:
        there = sum(passes(row, (name,), pred) for row in rows)
        assert facets["true"].get(name, 0) == there
        there = sum(passes(row, true, (name,)) for row in rows)
        assert facets["predicted"].get(name, 0) == there


def test_search_takes_every_letter_as_it_is(split):
    texts = split.texts()
    assert containing(split, " LOVELY ").tolist() == ["lovely" in t for t in texts]
    assert not containing(split, "l.vely").any()
    assert not containing(split, "%").any()
    assert containing(split, "  ").all()


def test_of_many_classes_the_most_confused_are_drawn():
    counts = np.zeros((6, 6), dtype=np.int64)
    counts[4, 1] = 5
    counts[2, 4] = 1
    counts[3, 3] = 99
    assert most_confused(counts, 3).tolist() == [1, 2, 4]
    assert most_confused(counts).tolist() == list(range(6))


def shown(test):
    """Keys of the list, in order."""
    found = [b.key for b in test.button if b.key and b.key.startswith("open_")]
    return [int(key.removeprefix("open_"), 16) for key in found]


def test_a_link_filters_the_list_and_next_stays_in_it():
    _, wrong = worst("reviews")
    part = wrong[(wrong["predicted"] == wrong["predicted"][0]) & (wrong["confidence"] <= 0.8)]
    test = start(
        project="reviews", address={"pred": wrong["predicted"][0], "conf": "0-80", "true": "none"}
    )
    assert shown(test) == part["key"].tolist()[:24]
    assert any(f"**{len(part):,}** of {len(wrong):,} items" in c.value for c in test.caption)
    test.button(key=f"open_{part['key'].iloc[1]:016x}").click().run()
    assert any(f"2 of {len(part)}" in c.value for c in test.caption)
    test.button(key="next").click().run()
    assert test.query_params["item"] == f"{part['key'].iloc[2]:016x}"


def test_a_search_reaches_the_address_and_clear_takes_it_back():
    session, wrong = worst("reviews")
    split = session.project.dataset.split("test")
    part = ItemFilter(text="film").narrow(wrong, split)
    test = start(project="reviews")
    test.text_input(key="filter_text").set_value("film").run()
    assert test.query_params["q"] == "film"
    assert shown(test) == part["key"].tolist()[:24]
    test.button(key="clear").click().run()
    assert "q" not in test.query_params
    assert shown(test) == wrong["key"].tolist()[:24]


@pytest.mark.parametrize(
    "broken", ["9" * 9_000 + "-9", "", "5", "9-2", "-1-5", "0-101", "a-b", "²-3"]
)
def test_a_broken_range_asks_for_everything(broken):
    _, wrong = worst("reviews")
    test = start(project="reviews", address={"conf": broken})
    assert not test.exception
    assert any(f"**{len(wrong):,}** items" in c.value for c in test.caption)


def some_filters():
    import streamlit as st

    from pages.ui.errors import filters

    st.text_input("Search", key="filter_text", on_change=filters._changed)


def test_a_filter_beside_which_the_others_are_not_drawn_yet_changes_nothing():
    test = AppTest.from_function(some_filters)
    test.query_params["q"] = "kept"
    test.run().text_input(key="filter_text").set_value("other").run()
    assert not test.exception
    assert test.query_params["q"] in ("kept", ["kept"])
