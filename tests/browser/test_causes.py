"""Causes of a confusion cell in a real browser: shown, decided as a whole, taken back."""

import re

import pytest
from browser import chromium, needs_chromium, server, settled
from playwright.sync_api import expect

from influence_core.store.project import Project
from influence_core.workflow.cleanse.decided import decided_edits

pytestmark = [pytest.mark.browser, needs_chromium]


def test_a_cause_is_left_out_and_taken_back(tmp_path):
    with server(tmp_path / "home") as url, chromium() as page:
        page.goto(f"{url}/?project=fashion&true=Shirt&pred=Coat")
        card = page.locator(".st-key-cause_1")
        card.get_by_text(re.compile(r"of the push toward Coat comes from \d+ rows")).wait_for()
        settled(page)
        expect(page.get_by_role("heading", name="Causes of these 9 errors")).to_be_visible()
        expect(card.get_by_role("img", name="The most typical training row")).to_be_visible()
        leave = card.get_by_role("button", name=re.compile(r"^Leave out \d+ rows$"))
        count = int(leave.inner_text().split()[2])
        leave.click()
        card.get_by_text(f"Decided: {count} rows left out.").wait_for()
        project = Project.open(tmp_path / "home" / "fashion")
        assert [edit.action for edit in decided_edits(project)[0]] == ["remove"] * count
        card.get_by_role("button", name="Undo").click()
        leave.wait_for()
        assert decided_edits(project)[0] == ()
        assert page.outside == []
