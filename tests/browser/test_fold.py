"""What a laptop and a narrow window show without scrolling."""

import pytest
from browser import box_of, chromium, needs_chromium, server, settled
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]
CUT = """() => [...document.querySelectorAll('[class*=st-key-helpful_], [class*=st-key-harmful_]')]
  .flatMap(card => [...card.querySelectorAll('.stMarkdownBadge, button p')])
  .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).display !== 'inline')
  .map(e => e.textContent)"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server(tmp_path_factory.mktemp("fold") / "home") as address:
        yield address


@pytest.mark.parametrize("width", [1440, 900])
@pytest.mark.parametrize("sample", ["fashion", "reviews"])
def test_the_first_errors_and_an_answer_are_above_the_fold(url, sample, width):
    with chromium() as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{url}/?project={sample}")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        explain = page.get_by_role("button", name="Explain")
        across = explain.evaluate_all(
            "all => all.filter(e => e.getBoundingClientRect().bottom <= innerHeight).length"
        )
        assert across >= 2
        expect(page.locator(".stGridCell").first).to_be_in_viewport(ratio=1)
        explain.first.click()
        page.locator(".st-key-harmful_1").wait_for()
        settled(page)
        page.wait_for_timeout(500)
        expect(page.locator(".st-key-answer_item")).to_be_in_viewport()
        expect(page.get_by_text("Called ").first).to_be_in_viewport(ratio=1)
        expect(page.locator(".st-key-proof_go button").first).to_be_in_viewport(ratio=1)
        if width == 1440:  # in a narrow window the rows begin below the fold
            expect(page.locator(".st-key-helpful_1")).to_be_in_viewport()
        assert page.evaluate(CUT) == []


@pytest.mark.parametrize("width", [1440, 900])
@pytest.mark.parametrize("sample", ["fashion", "reviews"])
def test_a_row_and_the_evidence_of_both_sides_are_above_the_keys_that_decide_it(url, sample, width):
    with chromium() as page:
        page.set_viewport_size({"width": width, "height": 900})
        page.goto(f"{url}/triage?project={sample}")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        settled(page)
        keys = box_of(page.locator(".keys"))["y"]
        for side in page.locator(".evidence .side").all():
            shown = box_of(side.locator("li").first.locator("img, .sentence"))
            assert shown["y"] + shown["height"] <= keys
        card = box_of(page.locator(".item"))
        assert card["y"] + card["height"] <= keys
