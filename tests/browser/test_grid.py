"""Many rows at a time: ranges, keys, a larger picture, and what was saved leaves the list."""

import re

import pytest
from browser import box_of, chromium, needs_chromium, server, settled
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]


def test_rows_are_selected_by_range_and_keys_saved_told_and_gone(tmp_path):
    with server(tmp_path / "home") as url, chromium() as page:
        page.goto(f"{url}/triage?project=fashion&view=Grid")
        tiles = page.locator("[class*='st-key-tile_']")
        expect(tiles).to_have_count(48)
        settled(page)
        boxes = tiles.locator("input[type=checkbox]")
        ticks = tiles.locator("[data-testid=stCheckbox] label")
        ticks.nth(1).click()
        ticks.nth(4).click(modifiers=["Shift"])
        expect(tiles.locator("input:checked")).to_have_count(4)
        ticks.nth(3).click(modifiers=["Shift"])  # back again
        expect(tiles.locator("input:checked")).to_have_count(2)
        boxes.nth(2).focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")  # stays on the first
        page.keyboard.press("Space")
        expect(boxes.nth(0)).to_be_checked()
        picture = tiles.nth(0).locator("img")
        large = page.locator("dialog.enlarged img")
        for enlarge in (lambda: page.keyboard.press("e"), picture.click):
            enlarge()
            expect(large).to_be_visible()
            assert box_of(large)["width"] > 3 * box_of(picture)["width"]
            page.keyboard.press("Escape")
            expect(large).to_have_count(0)
        chosen = [
            re.search("tile_[0-9a-f]{16}", tiles.nth(i).get_attribute("class"))[0]
            for i in range(48)
            if boxes.nth(i).is_checked()
        ]
        assert len(chosen) == 3
        page.evaluate("document.activeElement.blur()")
        page.mouse.wheel(0, 900)  # what saves stays in sight
        page.wait_for_timeout(500)
        bar = box_of(page.get_by_role("button", name="Review and save"))
        assert 0 < bar["y"] < 400
        page.keyboard.press("s")
        page.get_by_role("dialog").get_by_role("button", name="Save 3 decisions").click()
        expect(page.get_by_test_id("stToast")).to_contain_text("Saved 3 decisions")
        for tile in chosen:
            expect(page.locator(f".st-key-{tile}")).to_have_count(0)
        settled(page)
        expect(tiles.locator("input:checked")).to_have_count(0)
        # Rows that are shown though they are decided are struck through, and not to be ticked.
        page.get_by_role("button", name="Filters").click()
        page.get_by_label("Status").click()
        page.get_by_role("option", name=re.compile("^decided")).click()
        expect(tiles).to_have_count(3)
        expect(tiles.locator("del, s")).to_have_count(3)
        expect(boxes).to_have_count(0)
        assert page.outside == []
