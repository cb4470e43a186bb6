"""Explore under a real mouse: every view narrows one selection, its address opens it again."""

import re

import numpy as np
import pytest
from browser import box_of, chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.store.samples import install_samples
from influence_core.store.slices import saved_slices
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.session import open_session
from influence_core.workflow.slices.selection import Selection, open_view

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("explore") / "home"
    install_samples(home, sample_root())
    return home


@pytest.fixture(scope="module")
def url(home):
    with server(home) as address:
        yield f"{address}/select?project=fashion"


@pytest.fixture(scope="module")
def views():
    session = open_session(Project.open(sample_root() / "fashion"), device="cpu")
    return {name: open_view(session, name) for name in ("train", "test")}


def opened(page, address):
    page.goto(address)
    expect(page.get_by_role("heading", name="Explore")).to_be_visible()
    page.locator("[class*='st-key-explore_confidence_'] .nsewdrag").first.wait_for()
    settled(page)


def says(page, count, of):
    """How many rows are selected, once the page has answered; and the grid shows as many."""
    expect(page.get_by_text(re.compile(rf"^{count:,} of {of:,} rows:"))).to_be_visible()
    settled(page)


def area(page, chart):
    found = page.locator(f"{chart} .nsewdrag").first
    found.scroll_into_view_if_needed()
    box = box_of(found)
    return lambda right, down: (box["x"] + box["width"] * right, box["y"] + box["height"] * down)


def same_in_a_new_page(page, count, of):
    """The address alone opens the same selection."""
    address = page.url
    page.goto("about:blank")
    opened(page, address)
    says(page, count, of)


def test_a_class_and_a_bar_of_confidence_narrow_one_selection(url, views):
    view = views["test"]
    first = str(view.per_class(view.selected(Selection()), np.zeros(1_000, bool))["class"].iloc[0])
    with chromium() as page:
        opened(page, f"{url}&split=test")
        says(page, 1_000, 1_000)
        box = box_of(page.locator("[class*='st-key-explore_classes_'] canvas").first)
        page.mouse.click(box["x"] + 16, box["y"] + 52)  # the first row: most errors
        says(page, view.selected(Selection(true=(first,))).sum(), 1_000)
        place = area(page, "[class*='st-key-explore_confidence_']")
        page.mouse.click(*place(0.975, 0.95))  # the last bar, 95 to 100 %
        wanted = Selection(true=(first,), low=95)
        count = view.selected(wanted).sum()
        says(page, count, 1_000)
        expect(page).to_have_url(re.compile("conf=95-100"))
        same_in_a_new_page(page, count, 1_000)
        page.get_by_role("button", name="Clear", exact=True).click()
        says(page, 1_000, 1_000)
        page.go_back()
        says(page, count, 1_000)
        assert page.outside == []


def test_a_cell_of_the_diagonal_selects_what_is_right(url, views):
    view = views["test"]
    wanted = Selection(true=("Trouser",), predicted=("Trouser",))
    with chromium() as page:
        opened(page, f"{url}&split=test&explore_table=Confusion")
        place = area(page, ".st-key-confusion")
        number = view.classes.index("Trouser")
        page.mouse.click(*place((number + 0.5) / 10, (number + 0.5) / 10))
        says(page, view.selected(wanted).sum(), 1_000)
        expect(page.get_by_text("true Trouser · predicted Trouser")).to_be_visible()
        same_in_a_new_page(page, view.selected(wanted).sum(), 1_000)


def test_a_lasso_and_a_value_of_a_column_narrow_it(url, views):
    view = views["train"]
    with chromium() as page:
        opened(page, f"{url}&split=train&explore_show=Map")
        place = area(page, "[class*='st-key-explore_map_']")
        page.mouse.move(*place(0.5, 0.12))  # below the chart's own buttons
        page.mouse.down()
        for corner in ((0.98, 0.12), (0.98, 0.98), (0.5, 0.98), (0.5, 0.12)):
            page.mouse.move(*place(*corner), steps=6)
        page.mouse.up()
        page.get_by_text("inside the lasso").first.wait_for()
        settled(page)
        corners = re.search("area=([^&]+)", page.url)[1].replace("%2C", ",")
        drawn = tuple(float(part) for part in corners.split(","))
        half = view.selected(Selection(area=drawn)).sum()
        assert 0 < half < 4_000  # the right half of the map
        says(page, half, 4_000)
        # By keys: while the page still answers, the list may be drawn again below a click.
        page.get_by_label("Values").fill("Bag")
        page.get_by_role("option", name="Bag", exact=True).wait_for()
        page.get_by_label("Values").press("Enter")
        count = view.selected(Selection(area=drawn, columns=("gold=Bag",))).sum()
        says(page, count, 4_000)
        same_in_a_new_page(page, count, 4_000)


def test_a_found_slice_is_selected_and_saved_and_opened_by_its_name(url, home):
    with chromium() as page:
        opened(page, f"{url}&split=train")
        chart = box_of(page.locator("[class*='st-key-explore_confidence_']").first)
        button = box_of(page.get_by_role("button", name="Find slices"))
        assert 0 <= button["y"] - chart["y"] - chart["height"] < 50  # below what was looked at
        page.get_by_role("button", name="Find slices").click()
        first = page.locator(".st-key-explore_slice_0 button")
        first.click()
        page.get_by_text(re.compile(r" rows: slice ")).wait_for()
        settled(page)
        said = page.get_by_text(re.compile(r" rows: slice ")).inner_text()
        count = int(said.split()[0].replace(",", ""))
        assert 0 < count < 4_000
        page.get_by_role("button", name="Save as slice").click()
        page.get_by_label("Name", exact=True).fill("what fails")
        page.get_by_role("button", name=f"Save {count:,} rows").click()
        soon(lambda: [len(one.keys) for one in saved_slices(home / "fashion")], [count])
        opened(page, f"{url}&split=train")
        page.locator(".st-key-explore_saved_0 button").click()
        says(page, count, 4_000)
        same_in_a_new_page(page, count, 4_000)
        page.get_by_role("button", name="Delete").click()
        says(page, 4_000, 4_000)
        page.get_by_role("button", name="Undo").click()
        expect(page.locator(".st-key-explore_saved_0")).to_be_visible()
        assert [one.name for one in saved_slices(home / "fashion")] == ["what fails"]


def test_what_is_selected_is_explained_and_left_out_and_taken_back(url, home, views):
    view = views["train"]
    count = view.selected(Selection("errors", true=("Sandal",), suspicious=True)).sum()
    project = Project.open(home / "fashion")
    with chromium() as page:
        opened(page, f"{url}&split=train&which=errors&true=Sandal&bad=1")
        says(page, count, 4_000)
        page.get_by_role("button", name=f"Leave out {count} rows").click()
        page.get_by_text(f"Decided: {count} rows left out.").wait_for()
        soon(lambda: [edit.action for edit in decided_edits(project)[0]], ["remove"] * count)
        page.get_by_role("button", name="Undo").first.click()
        page.get_by_role("button", name=f"Leave out {count} rows").wait_for()
        soon(lambda: decided_edits(project)[0], ())
        opened(page, f"{url}&split=test&which=errors&true=Shirt&pred=Coat")
        page.get_by_text(re.compile(r"^Explain \d+ rows")).click()
        card = page.locator(".st-key-cause_1")
        card.get_by_text(re.compile("of the push toward Coat")).wait_for()
        settled(page)
        expect(card.get_by_role("button", name="Verify without these rows")).to_be_enabled()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_view_is_drawn_without_a_word_in_the_console(url, scheme):
    said = []
    with chromium(color_scheme=scheme) as page:
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        for width in (1440, 900):
            page.set_viewport_size({"width": width, "height": 900})
            for address in ("&split=test", "&split=train&explore_show=Map&explore_table=Confusion"):
                opened(page, f"{url}{address}")
                expect(
                    page.locator("[data-testid=stException], [data-testid=stAlert]")
                ).to_have_count(0)
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0
    # Streamlit asks below the page's own path first whether its server is there.
    assert [text for text in said if "404" not in text] == []
