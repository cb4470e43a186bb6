"""The desk's script under every kind of fingers: keys are heard, and store what was to be read."""

import pytest
from browser import chromium, needs_chromium
from desk_page import open_desk_page, row, stored

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def page():
    with chromium() as opened:
        yield opened


def rows(n):
    return [row(i, i % 12, (i + 5) % 12, [(i + 5 + j) % 12 for j in range(9)]) for i in range(n)]


def test_a_key_is_heard_when_answers_of_the_server_overtake_each_other(page):
    """Streamlit ends an overtaken call after the next one has begun, and perhaps before a key."""
    open_desk_page(page, rows(4))
    page.evaluate("first = turn(); second = turn(); first()")
    page.keyboard.press("k")
    assert stored(page) == {f"{0:016x}": ["keep", None]}
    page.evaluate("first = turn(); first()")
    page.keyboard.press("x")
    assert list(stored(page)) == [f"{0:016x}", f"{1:016x}"]


def test_a_desk_that_has_left_the_page_hears_nothing(page):
    open_desk_page(page, rows(2))
    page.evaluate("last = turn(); document.body.lastElementChild.remove(); last()")
    page.keyboard.press("k")
    page.evaluate("document.body.replaceChildren()")
    page.keyboard.press("k")
    assert stored(page) == {}
