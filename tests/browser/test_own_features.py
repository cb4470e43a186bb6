"""Features of the user's own: from two uploads to a trained project, walked page by page."""

import re

import pytest
from browser import chromium, needs_chromium, server, settled
from own_project import cells
from playwright.sync_api import expect

from influence_core.jobs import cancel, jobs
from influence_core.store.project import Project

pytestmark = [pytest.mark.browser, needs_chromium]
# Each page's place, and its headline.
PAGES = {
    "select": "Explore",
    "triage": "Labels",
    "cleansing": "Clean data",
    "evaluation": "Trust",
    "history": "Runs",
    "home": "Projects",
}


def test_two_uploads_become_a_project_that_every_page_shows(tmp_path):
    home = tmp_path / "home"
    source, features = cells(tmp_path)
    with server(home) as url, chromium() as page:
        page.goto(f"{url}/home")
        page.get_by_role("button", name="New project").click()
        page.set_default_timeout(60_000)
        page.locator("input[type=file]").first.wait_for(state="attached")
        page.locator("input[type=file]").first.set_input_files(source)
        page.get_by_text("Features of your own").click()
        page.locator("[class*=st-key-wizard_features_file] input[type=file]").set_input_files(
            features
        )
        page.get_by_text("240 rows of a table: 240 train").wait_for()
        settled(page)
        page.locator(".st-key-wizard_create button").click()
        page.locator(".st-key-landed").wait_for()
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        expect(page.get_by_text(re.compile("^area: .*dye: ", re.S)).first).to_be_visible()
        for name, title in PAGES.items():
            page.goto(f"{url}/{name}?project=cells")
            page.get_by_role("heading", name=title, exact=True).wait_for()
            settled(page)
            expect(page.get_by_test_id("stException")).to_have_count(0)
            expect(page.get_by_test_id("stAlertContentError")).to_have_count(0)
        assert page.outside == []
    made = Project.open(home / "cells")
    for job in jobs(made.root):  # the map that follows
        cancel(job)
    assert made.settings.encoder == "own:5"
    assert list((home / ".uploads").iterdir()) == []
