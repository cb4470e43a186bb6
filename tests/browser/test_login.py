"""A login with a real OpenID Connect provider: no page before it, decisions signed after it."""

import re

import pytest
from browser import chromium, needs_chromium, soon
from oidc_provider import server_with_login
from playwright.sync_api import expect

from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews

pytestmark = [pytest.mark.browser, needs_chromium]
ANN = "ann@example.org"


def reviewers(home):
    store = open_reviews(Project.open(home / "reviews"))
    found = [event.reviewer for event in store.events()]
    store.close()
    return found


def test_pages_lie_behind_the_login_and_decisions_carry_the_account(tmp_path):
    home = tmp_path / "home"
    with server_with_login(tmp_path, ANN) as url, chromium() as page:
        for name in ("home", "", "select", "triage", "cleansing", "evaluation", "history"):
            page.goto(f"{url}/{name}?project=reviews")
            page.get_by_role("button", name="Log in").wait_for()
            expect(page.get_by_role("heading", name="Turnover")).to_be_visible()
            expect(page.locator(".st-key-project")).to_have_count(0)
        page.get_by_role("button", name="Log in").click()
        page.locator(".st-key-project input").wait_for()
        page.goto(f"{url}/triage?project=reviews")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        # A word joiner keeps the address from becoming a link.
        expect(page.get_by_text(re.compile("signed in as ann@.?example.org"))).to_be_visible()
        page.keyboard.press("k")
        page.get_by_text("all decisions saved").wait_for()
        soon(lambda: reviewers(home), [ANN])
        page.locator(".st-key-settings button").first.click()
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("button", name="Log in").wait_for()
        assert page.outside == []
