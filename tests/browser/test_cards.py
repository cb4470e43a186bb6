"""Lists of cards: alike in height whatever chips stand on some, their words large and plain."""

import pytest
from browser import chromium, needs_chromium, server, settled
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, needs_chromium]
HEIGHTS = """() => [...document.querySelectorAll('.stGrid .stGridCell')]
  .map(cell => cell.querySelector('[data-testid=stVerticalBlock]'))
  .filter(card => card && card.querySelector('img'))
  .map(card => Math.round(card.getBoundingClientRect().height))"""
WORDS = """() => {
  const cards = document.querySelectorAll('.stGridCell:has(img)');
  const ground = getComputedStyle(document.querySelector('.stApp')).color;
  return [...cards].map(card => {
    const style = getComputedStyle(card.querySelector('strong'));
    return [style.color === ground, parseFloat(style.fontSize) >= 14];
  });
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server(tmp_path_factory.mktemp("cards") / "home") as address:
        yield address


def alike(page, most):
    """Every card with a picture on screen has one height; there are several."""
    expect(page.locator(".stGridCell:has(img)")).to_have_count(most)
    settled(page)
    page.wait_for_timeout(500)
    heights = page.evaluate(HEIGHTS)
    assert len(set(heights)) == 1, heights
    assert page.evaluate(WORDS) == [[True, True]] * most


def test_cards_of_the_errors_are_alike(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_role("button", name="Explain").first.wait_for()
        expect(page.get_by_text("label suspect").first).to_be_visible()
        alike(page, 24)
        # A click on white draws no frame around the page.
        page.locator("[data-testid=stMain]").click(position={"x": 40, "y": 500})
        frame = page.evaluate(
            "(({outlineStyle, boxShadow}) => [outlineStyle, boxShadow])(getComputedStyle("
            "document.querySelector('[data-testid=stMain]')))"
        )
        assert frame == ["none", "none"]


def test_rows_behind_most_errors_can_be_opened_marked_and_their_cards_are_alike(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_text("Rows behind most errors").click()
        first = page.locator("[class*='st-key-behind_']:has(img)").first
        first.wait_for()
        alike(page, 24)
        page.locator(
            "[data-testid=stCheckbox]", has_text="Only those that look mislabelled"
        ).click()
        expect(page.get_by_text("looks mislabelled").first).to_be_visible()
        settled(page)
        count = page.get_by_text("looks mislabelled").count()
        alike(page, count)
        first.get_by_role("button", name="Wrong label").click()
        expect(first.get_by_text("marked wrong →")).to_be_visible()
        first.get_by_role("button", name="Undo").click()
        expect(first.get_by_role("button", name="Wrong label")).to_be_visible()
        first.locator(".stButton button").first.click()
        page.locator(".st-key-answer_item").wait_for()


def test_cards_of_the_label_grid_are_alike(url):
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion&view=Grid")
        page.locator(".stGridCell img").first.wait_for()
        alike(page, 48)
