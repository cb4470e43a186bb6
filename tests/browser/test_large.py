"""Many rows and 200 classes: what each page sends, and how long it takes to answer.

`TURNOVER_LARGE_ROWS=50000` gives it the size that the pages are meant for.
"""

import os
import time

import pytest
from big_project import big_project
from browser import chromium, needs_chromium, server, settled

from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session

pytestmark = [pytest.mark.browser, needs_chromium]
MOST = 5_000_000  # bytes of one page, beyond the scripts that every page shares
ROWS = int(os.environ.get("TURNOVER_LARGE_ROWS", "3000"))
PAGES = ("home", "", "select", "triage", "cleansing", "evaluation", "history")


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    home = tmp_path_factory.mktemp("large_pages") / "home"
    # The label table is computed once a run; what is measured here are the pages.
    desk = open_desk(open_session(big_project(home / "big", rows=ROWS, classes=200)))
    assert len(desk.classes) == 200
    desk.reviews.close()
    with server(home) as address:
        yield address


class Sent:
    """Bytes that the server sent to a page: frames of the websocket and bodies of answers."""

    def __init__(self, page):
        self.bytes = 0
        page.on("websocket", lambda socket: socket.on("framereceived", self._frame))
        page.on("response", self._answer)

    def _frame(self, payload):
        self.bytes += len(payload)

    def _answer(self, response):
        # Streamlit's own scripts, styles and fonts are the same for every page and cached.
        if "/static/" not in response.url:
            self.bytes += int(response.headers.get("content-length") or 0)


def whole(page):
    page.locator("h1, h2, h3, .desk").first.wait_for()
    settled(page)
    page.wait_for_timeout(300)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_stays_small(url, name):
    with chromium() as page:
        page.goto(f"{url}/{name}?project=big")  # fills the server's caches
        whole(page)
        sent = Sent(page)
        before = time.perf_counter()
        page.goto(f"{url}/{name}?project=big")
        whole(page)
        seconds = time.perf_counter() - before - 0.3
        print(f"{name or 'errors'}: {sent.bytes / 1e6:.2f} MB, {seconds:.2f} s")
        assert 1_000 < sent.bytes < MOST
        assert page.locator("text=Something went wrong").count() == 0


def test_an_opened_item_stays_small(url):
    with chromium() as page:
        sent = Sent(page)
        page.goto(f"{url}/?project=big")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        sent.bytes = 0
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        settled(page)
        print(f"item: {sent.bytes / 1e6:.2f} MB")
        assert 1_000 < sent.bytes < MOST
