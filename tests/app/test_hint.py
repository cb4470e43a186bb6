"""The first hint of each page: shown once, then put away for good."""

import pytest
from errors_page import start, worst

PAGES = ("errors", "labels", "cleanse", "trust")


def open_page(name):
    test = start(project="reviews")
    return test if name == "errors" else test.switch_page(f"pages/{name}.py").run()


def test_a_hint_is_gone_when_one_has_done_what_it_says():
    test = open_page("errors")
    assert any("Start here" in m.value for m in test.markdown)
    next(b for b in test.button if b.label == "Explain").click().run()
    test.button(key="back").click().run()
    assert any(b.label == "Explain" for b in test.button)
    assert not any("Start here" in m.value for m in test.markdown)


@pytest.mark.parametrize("name", PAGES)
def test_a_hint_that_was_put_away_stays_away_in_the_next_session(name):
    test = open_page(name)
    assert not test.exception
    assert any("Start here" in m.value for m in test.markdown)
    test.button(key=f"hint_{name}_away").click().run()
    assert not any("Start here" in m.value for m in test.markdown)
    assert not any("Start here" in m.value for m in open_page(name).markdown)
    others = next(other for other in PAGES if other != name)
    assert any("Start here" in m.value for m in open_page(others).markdown)


def test_the_banner_after_a_training_stands_in_the_hints_place():
    session, _ = worst("reviews")
    test = start(project="reviews", address={"landed": session.run.id})
    assert any("Trained: " in m.value for m in test.markdown)
    assert not any("Start here" in m.value for m in test.markdown)
    test.button(key="landed_away").click().run()
    assert not any("Trained: " in m.value for m in test.markdown)
    assert any("Start here" in m.value for m in test.markdown)
