"""The open item beside one training row, without a browser."""

import pytest
from errors_page import start, worst

from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.one_row import score_of
from pages.ui.draw.difference import differences, shared_words


def opened(name, **switches):
    session, wrong = worst(name)
    item = find_item(session, "test", int(wrong["key"][0]))
    found = explain(session, item, ExplainOptions(estimator="turnover"))
    key = int(found.harmful["key"][0])
    test = start(
        project=name, item=f"{item.key:016x}", address={"with": f"{key:016x}"},
        estimator="turnover", **switches,
    )  # fmt: skip
    return test, session, item, found


@pytest.mark.parametrize("name", ["fashion", "reviews"])
def test_a_link_shows_both_with_the_score_of_the_list(name):
    test, session, item, found = opened(name)
    assert not test.exception
    assert not test.error
    first = found.harmful.iloc[0]
    position = int(session.project.dataset.train.positions_of([first["key"]])[0])
    one = score_of(session, item, found.options, position)
    assert one.score == pytest.approx(first["influence"], rel=1e-3)
    assert one.stderr == pytest.approx(first["stderr"], rel=1e-3)
    told = [m.value.replace("\\", "") for m in test.markdown]
    [why] = [m.help for m in test.markdown if "Pushed **away from " in m.value]
    score = f"−{-one.score:.3f}"
    assert score[:6] in why.replace("\\", "") and " ± " in why
    assert any("Open item" in t for t in told)
    assert any("Training row" in t for t in told)


def test_closing_leads_back_to_the_lists_and_a_card_opens_it_again():
    test, _, _, found = opened("reviews")
    test.button(key="close_compare").click().run()
    assert "with" not in test.query_params
    assert any("rows scored on" in c.value for c in test.caption)
    test.button(key="compare_harmful_1").click().run()
    assert f"{int(found.harmful['key'][0]):016x}" in test.query_params["with"]
    assert any(b.key == "close_compare" for b in test.button)


def test_a_row_that_is_not_there_is_one_sentence():
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}", address={"with": "00ff"})
    assert not test.exception
    assert any("is not in split" in e.value for e in test.error)
    assert any(b.key == "close_compare" for b in test.button)


def test_words_are_matched_in_order_without_case_and_punctuation():
    first, second = differences("A dull, DULL film - really!", "it is a dull film really - so")
    assert first == [("A", True), ("dull,", False), ("DULL film", True), ("-", False),
                     ("really!", True)]  # fmt: skip
    assert shared_words(first) == shared_words(second) == 4
    for pieces, text in ((first, "A dull, DULL film - really!"), (second, "it is a dull film")):
        assert " ".join(piece for piece, _ in pieces).startswith(text)


def test_hostile_words_stay_as_they_are():
    text = "<img src=x onerror=alert(1)> ![a](http://b) **c**"
    first, _ = differences(text, "nothing in common")
    assert first == [(text, False)]
    assert differences("", "a") == ([], [("a", False)])
