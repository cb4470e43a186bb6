"""Accessibility by axe-core, in light and dark: no serious finding of our own making."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium, needs_chromium, server, settled

pytestmark = [pytest.mark.browser, needs_chromium]
PAGES = ("home", "", "triage", "cleansing", "evaluation", "history")
# On a dark ground Streamlit writes the chosen part of a segmented control and a slider's values in
# the primary colour, and white on primary buttons. No colour has a contrast of 4.5 with both; ours
# has it with white (3.3 to 4 as text), and the chosen part is told apart by its frame as well.
# So their contrast is not ours to mend; any other element of the same colour is.
THEIRS = "[data-testid=stButtonGroup], [data-testid=stSlider], [data-testid=stPagination]"


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with server(tmp_path_factory.mktemp("axe") / "home") as address:
        yield address


def theirs(page, selector):
    """Whether an element is part of a widget that Streamlit colours by itself."""
    return page.locator(selector).first.evaluate("(e, w) => e.closest(w) !== null", THEIRS)


def findings(page):
    """Serious and critical findings: (rule, element, why)."""
    found = Axe().run(page).response["violations"]
    return [
        (rule["id"], node["target"][-1][-80:], node["html"][:160], node["failureSummary"][:240])
        for rule in found
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if not (rule["id"] == "color-contrast" and theirs(page, node["target"][-1]))
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_finding(url, scheme):
    seen = []
    with chromium(color_scheme=scheme) as page:
        for name in PAGES:
            page.goto(f"{url}/{name}?project=reviews")
            page.locator("h1, h2, h3").first.wait_for()
            settled(page)
            page.wait_for_timeout(500)
            seen += [(name, *each) for each in findings(page)]
        page.goto(f"{url}/?project=reviews")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        settled(page)
        seen += [("item", *each) for each in findings(page)]
    assert seen == [], "\n".join(map(str, seen))


def test_our_own_text_in_the_same_colour_is_a_finding(url):
    with chromium(color_scheme="dark") as page:
        page.goto(f"{url}/?project=reviews")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        caption = page.locator("[data-testid=stMain] [data-testid=stCaptionContainer] p").first
        caption.evaluate("e => { e.style.color = '#3278c4'; e.id = 'ours'; }")
        assert [each[:2] for each in findings(page)] == [("color-contrast", "#ours")]
