"""Clicks while a scan is on its way: Cancel, and another question, in a real browser."""

import re
from pathlib import Path

import pytest
from browser import chromium, needs_chromium, server, settled, soon, to_page
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
    page.locator(".st-key-toward").get_by_text("why not ").click()
    soon(ended, ["abandoned"])
    expect(page.get_by_text("rows, provisional")).to_be_visible()
    assert ended() == ["abandoned"]


def test_verifying_after_a_slow_scan_shows_one_job_and_then_its_result(tmp_path):
    log = tmp_path / "scans.log"
    told = {"SLOW_SCAN_LOG": str(log), "SLOW_SCAN_SECONDS": "0.2"}
    with server(tmp_path / "home", start=(SLOW,), **told) as url, chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-proof_go").wait_for()
        settled(page)
        page.get_by_role("button", name="Verify", exact=True).click()
        # The job goes on while another page is looked at; no second copy of this one.
        page.get_by_text(re.compile("Verifying: [0-9]")).first.wait_for()
        expect(page.locator(".st-key-proof_go")).to_have_count(1)
        to_page(page, "Trust")
        page.get_by_text(re.compile("Verifying: [0-9]")).first.wait_for()
        page.go_back()
        page.wait_for_url(re.compile("item="))
        page.locator(".st-key-proof_chart").wait_for()
        settled(page)
        expect(page.locator(".st-key-proof_go")).to_have_count(1)
