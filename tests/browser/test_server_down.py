"""The server goes and comes back: what the page says, and that no decision is lost."""

import pytest
from browser import chromium, free_port, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.store.project import Project
from influence_core.store.reviews.store import open_reviews

pytestmark = [pytest.mark.browser, needs_chromium]


def decided(home):
    store = open_reviews(Project.open(home / "reviews"))
    found = {f"{event.decision.key:016x}": event.decision.verdict for event in store.events()}
    store.close()
    return found


def test_a_decision_made_while_the_server_is_down_is_saved_when_it_is_back(tmp_path):
    home, port = tmp_path / "home", free_port()
    with chromium() as page:
        desk, gone = page.locator(".desk"), page.locator(".turnover-gone")
        with server(home, port) as url:
            page.goto(f"{url}/triage?project=reviews")
            page.locator(".desk[data-loaded='32']").wait_for()
            settled(page)
            pressed = {desk.get_attribute("data-row"): "keep"}
            page.keyboard.press("k")
            page.get_by_text("all decisions saved").wait_for()
            expect(gone).to_have_count(0)
        expect(gone).to_be_visible()
        expect(gone).to_contain_text("waits here and is saved as soon as the server is back")
        expect(page.get_by_text("connected to the internet")).not_to_be_visible()
        pressed[desk.get_attribute("data-row")] = "exclude"
        page.keyboard.press("x")
        expect(page.get_by_text("saving 1 …")).to_be_visible()
        assert len(decided(home)) == 1
        with server(home, port):
            expect(gone).to_have_count(0)
            page.get_by_text("all decisions saved").wait_for()
            soon(lambda: decided(home), pressed)
            # And the first click afterwards counts.
            page.get_by_role("link", name="Runs").click()
            page.get_by_text("Learning curves").wait_for()
