"""The confusion matrix and the map under a real mouse."""

import re

import pytest
from browser import box_of, chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.store.samples import install_samples
from influence_core.workflow.explain.map import make_map, map_path

pytestmark = [pytest.mark.browser, needs_chromium]
POINTS = 300


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    home = tmp_path_factory.mktemp("map") / "home"
    install_samples(home, sample_root())
    project = Project.open(home / "fashion")
    encoder = project.latest_run().record.encoder_fingerprint
    map_path(project, encoder).unlink()  # the sample's own has all rows
    make_map(project, encoder_fingerprint=encoder, most=POINTS)
    with server(home) as address:
        yield address


def inside(page, chart):
    """Corner and size of a chart's drawing area."""
    area = page.locator(f".st-key-{chart} .nsewdrag").first
    area.scroll_into_view_if_needed()
    box = box_of(area)
    return box["x"], box["y"], box["width"], box["height"]


def test_a_click_on_the_matrix_filters_and_back_takes_it_back(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        x, y, width, height = inside(page, "confusion")
        # Row 7 of 10 is Shirt, column 1 T-shirt: the fullest cell of errors.
        page.mouse.click(x + width * 0.05, y + height * 0.65)
        page.get_by_role("button", name="Clear filters").wait_for()
        settled(page)
        expect(page).to_have_url(re.compile("true=Shirt"))
        expect(page).to_have_url(re.compile("pred=T-shirt"))
        said = page.get_by_text(re.compile(r"^\d+ of 106 items")).inner_text()
        shown = int(said.split()[0])
        assert 0 < shown < 106
        expect(page.get_by_role("button", name="Explain")).to_have_count(shown)
        counts = page.locator(".st-key-confusion .textpoint text")
        faded = counts.evaluate_all(
            "all => all.filter(e => getComputedStyle(e).opacity < 1).length"
        )
        assert faded == 0  # the other cells stay legible
        frame = page.locator(".st-key-confusion .shapelayer path")
        expect(frame).to_have_count(1)
        page.get_by_role("button", name="Clear filters").click()
        expect(frame).to_have_count(0)
        expect(page.get_by_text(re.compile(r"^106 items"))).to_be_visible()
        page.go_back()  # one step, although two parts left the address
        page.get_by_role("button", name="Clear filters").wait_for()
        expect(page).to_have_url(re.compile("true=Shirt"))
        expect(page).to_have_url(re.compile("pred=T-shirt"))
        assert page.outside == []


def test_a_click_on_the_diagonal_lists_what_was_right_and_opens_it(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        x, y, width, height = inside(page, "confusion")
        page.mouse.click(x + width * 0.05, y + height * 0.05)  # T-shirt, predicted T-shirt
        expect(page.get_by_text(re.compile(r"^77 of \d+ items"))).to_be_visible()
        page.get_by_role("button", name="Explain").first.click()
        expect(page.get_by_text("1 of 77, worst first")).to_be_visible()
        expect(page.locator(".st-key-answer_item")).to_contain_text("Predicted T-shirt")
        page.get_by_role("button", name="All errors").click()
        page.get_by_text("Wrong", exact=True).click()
        expect(page.get_by_text(re.compile(r"^0 of 106 items"))).to_be_visible()
        assert page.outside == []


def test_arrow_keys_lead_on_after_a_switch_was_clicked(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-harmful_1").wait_for()
        settled(page)
        page.get_by_text("why not").first.click()
        page.get_by_text("Not called").first.wait_for()  # the answer to the switch is there
        settled(page)
        page.keyboard.press("ArrowRight")
        expect(page.get_by_text("2 of 106, worst first")).to_be_visible()


def test_a_lasso_lists_the_rows_and_an_open_item_is_marked(url):
    with chromium() as page:
        page.goto(f"{url}/?project=fashion")
        page.get_by_role("button", name="Explain").first.wait_for()
        page.get_by_text("Map of the training data").click()
        page.locator(".st-key-errors_map_Class .nsewdrag").first.wait_for()
        settled(page)
        x, y, width, height = inside(page, "errors_map_Class")
        corners = [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]
        page.mouse.move(x + width * 0.02, y + height * 0.02)
        page.mouse.down()
        for right, down in corners:
            page.mouse.move(x + width * right, y + height * down, steps=6)
        page.mouse.up()
        page.get_by_text(f"{POINTS} training rows selected").wait_for()
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-harmful_1").wait_for()
        page.get_by_text("Influence", exact=True).click()
        legend = page.locator(".st-key-errors_map_Influence .legendtext")
        legend.first.wait_for()
        soon(
            lambda: sorted(legend.all_text_contents()),
            ["harmful (−)", "helpful (+)", "open item"],
        )
        assert page.outside == []
