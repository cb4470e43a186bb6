"""Compare under real keys: opened from a card, closed by Escape, and back again."""

import re

import pytest
from browser import chromium, needs_chromium, server, settled
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]


def test_escape_closes_the_comparison_and_back_opens_it_again(tmp_path):
    with server(tmp_path / "home") as url, chromium() as page:
        page.goto(f"{url}/?project=reviews")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain", exact=False).first.click()
        compare = page.get_by_role("button", name="Compare")
        compare.first.wait_for()
        settled(page)
        compare.first.click()
        page.get_by_role("button", name="Back to the rows").wait_for()
        settled(page)
        expect(page).to_have_url(re.compile("with="))
        expect(page.locator(".words")).to_have_count(2)
        page.keyboard.press("Escape")
        compare.first.wait_for()
        settled(page)
        expect(page).not_to_have_url(re.compile("with="))
        page.go_back()
        page.get_by_role("button", name="Back to the rows").wait_for()
        assert page.outside == []
