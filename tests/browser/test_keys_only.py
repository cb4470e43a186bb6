"""Without a mouse: from the first page over an error and a decision to the exported file."""

import pytest
from browser import chromium, needs_chromium, server, settled, soon
from tiny import project

from influence_core.workflow.train.head import TrainOptions, train

pytestmark = [pytest.mark.browser, needs_chromium]
FOCUSED = "e => e.contains(document.activeElement)"
MOST = 150  # presses of Tab; the page is walked round once


def reach(page, target):
    """Press Tab until the element has the focus."""
    target.wait_for()
    settled(page)
    for _ in range(MOST):
        if target.evaluate(FOCUSED):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{target} cannot be reached by Tab")


def press(page, target):
    reach(page, target)
    page.keyboard.press("Enter")


def link(page, name):
    return page.get_by_test_id("stHeader").get_by_role("link", name=name)


def test_an_error_a_decision_and_an_export_need_no_mouse(tmp_path):
    home = tmp_path / "home"
    made = project(home / "tiny", n=60)
    train(made, TrainOptions(members=2, width=32, epochs=1))
    with server(home) as url, chromium() as page:
        page.goto(f"{url}/home?project=tiny")
        press(page, link(page, "Errors"))
        press(page, page.get_by_role("button", name="Explain").first)
        page.locator(".st-key-answer_item").wait_for()
        settled(page)
        page.keyboard.press("Escape")
        press(page, link(page, "Labels"))
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        settled(page)
        page.keyboard.press("x")
        page.get_by_text("all decisions saved").wait_for()
        press(page, link(page, "Clean data"))
        reach(page, page.locator(".st-key-cleanse_by input"))
        page.keyboard.type("Reviewer")
        page.keyboard.press("Enter")
        press(page, page.get_by_role("button", name="Find harmful rows"))
        press(page, page.get_by_role("button", name="Export the cleansed training set"))
        page.get_by_text("Kept in").wait_for()  # the page is drawn to its end, and nothing moves
        reach(page, page.get_by_role("button", name="Download data"))
        with page.expect_download() as download:
            page.keyboard.press("Enter")
        lines = download.value.path().read_text("utf-8").splitlines()
        assert len(lines) == 1 + 59  # the names of the columns, and all rows but the excluded one
        soon(lambda: len(list(made.exports_folder.glob("*.csv"))), 1)
        assert page.outside == []
