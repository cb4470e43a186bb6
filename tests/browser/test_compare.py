"""Compare under real keys: opened from a card, closed by Escape, and back again."""

import re

import pytest
from browser import chromium, needs_chromium, server, settled
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]


def test_keys_lead_to_the_next_row_and_back_and_the_row_can_be_decided(tmp_path):
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
        expect(page.get_by_text("1 of 24 rows")).to_be_visible()
        page.keyboard.press("ArrowRight")
        expect(page.get_by_text("2 of 24 rows")).to_be_visible()
        page.get_by_role("button", name="Leave out").click()
        expect(page.locator(".st-key-compare_row").get_by_text("left out")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("button", name="Leave out")).to_be_visible()
        settled(page)
        page.keyboard.press("Escape")
        compare.first.wait_for()
        settled(page)
        expect(page).not_to_have_url(re.compile("with="))
        page.go_back()
        page.get_by_role("button", name="Back to the rows").wait_for()
        assert page.outside == []


@pytest.mark.parametrize("sample", ["reviews", "fashion"])
def test_the_desk_puts_its_row_beside_the_evidence_and_decides_nothing_meanwhile(tmp_path, sample):
    with server(tmp_path / "home") as url, chromium() as page:
        page.goto(f"{url}/triage?project={sample}")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        where = page.locator(".where").inner_text()
        page.get_by_role("button", name="Compare").first.click()
        compared = page.locator("dialog.compare")
        compared.wait_for()
        expect(compared.locator(".columns > div")).to_have_count(2)
        if sample == "fashion":
            expect(compared.locator("img.huge")).to_have_count(2)
        else:
            words = compared.locator(".compared")
            one, other = (words.nth(i).inner_text().lower().split() for i in range(2))
            for marked in words.first.locator("mark").all_inner_texts():
                assert marked.lower().strip(".,!?;:\"'()-") in " ".join(other)
            assert one != other
        page.keyboard.press("k")  # decides, where no dialog is open
        page.keyboard.press("Escape")
        expect(compared).to_be_hidden()
        expect(page.locator(".where")).to_have_text(where)
        assert page.outside == []
