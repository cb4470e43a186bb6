"""Clicks while a scan is on its way: Cancel, and another question, in a real browser."""

import re
from pathlib import Path

import pytest
from browser import chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]
SLOW = str(Path(__file__).resolve().parents[1] / "support" / "slow_scan.py")


@pytest.fixture
def slow(tmp_path):
    log = tmp_path / "scans.log"
    log.touch()
    with (
        server(tmp_path / "home", start=(SLOW,), SLOW_SCAN_LOG=str(log)) as url,
        chromium() as page,
    ):
        page.goto(f"{url}/?project=reviews")
        page.get_by_role("button", name="Explain").first.click()
        expect(page.get_by_text("500 of 6,000 rows, provisional")).to_be_visible()
        yield page, lambda: log.read_text().split()


def test_cancel_keeps_what_was_ranked_and_the_scan_can_start_again(slow):
    page, ended = slow
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled at")).to_be_visible()
    expect(page.locator(".st-key-scan_again")).to_be_visible()
    expect(page.get_by_title("influence +").first).to_be_visible()
    soon(ended, ["abandoned"])
    page.get_by_role("button", name="Scan again").click()
    expect(page.get_by_text("1,000 of 6,000 rows, provisional")).to_be_visible()


def test_another_question_abandons_the_scan_at_once(slow):
    page, ended = slow
    page.get_by_text("True label", exact=True).last.click()
    soon(ended, ["abandoned"])
    expect(page.get_by_text("rows, provisional")).to_be_visible()
    assert ended() == ["abandoned"]


def test_proving_after_a_slow_scan_keeps_its_panel_open_and_shows_its_result(tmp_path):
    log = tmp_path / "scans.log"
    told = {"SLOW_SCAN_LOG": str(log), "SLOW_SCAN_SECONDS": "0.2"}
    with server(tmp_path / "home", start=(SLOW,), **told) as url, chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_role("button", name="Explain").first.click()
        panels = page.locator("details").filter(has_text="Verify by retraining without these rows")
        panels.wait_for()
        settled(page)
        panels.locator("summary").click()
        page.get_by_role("button", name="Verify", exact=True).click()
        # One panel, open, from the first retraining to the result; no second copy of the page.
        page.get_by_text(re.compile("Retraining: [1-9]")).wait_for()
        expect(panels).to_have_count(1)
        expect(panels).to_have_attribute("open", "")
        page.locator(".st-key-proof_chart").wait_for()
        settled(page)
        expect(panels).to_have_count(1)
        expect(panels).to_have_attribute("open", "")
