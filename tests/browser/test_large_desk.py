"""The triage desk at 50,000 training rows: the next row with its evidence is there at once."""

import statistics
import time

import pytest
from big_project import big_project
from browser import chromium, needs_chromium, server

from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    home = tmp_path_factory.mktemp("large") / "home"
    # The label table is computed once a run; what is timed here is leafing through it.
    desk = open_desk(open_session(big_project(home / "big")))
    assert len(desk.scores) == 50_000
    desk.reviews.close()
    with server(home) as address:
        yield address


def test_fifteen_page_turns_each_bring_another_row_and_its_evidence(url):
    with chromium() as page:
        page.goto(f"{url}/triage?project=big&label_rows=All+rows")
        page.locator(".desk[data-loaded='32']").wait_for()
        seconds = []
        for _ in range(15):
            row = page.locator(".desk").get_attribute("data-row")
            before = time.perf_counter()
            page.keyboard.press("k")
            page.locator(f".desk:not([data-row='{row}']):not([data-row='']) .evidence li").nth(
                11
            ).wait_for()
            seconds.append(time.perf_counter() - before)
        print(f"page turn, median of 15: {1000 * statistics.median(seconds):.0f} ms")
