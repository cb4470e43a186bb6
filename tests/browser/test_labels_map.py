"""From a lasso on the map to decisions, and back in one step."""

import re

import pytest
from browser import box_of, chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.installed import sample_root
from influence_core.store.project import Project
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews
from influence_core.store.samples import install_samples
from influence_core.workflow.explain.map import make_map, map_path

pytestmark = [pytest.mark.browser, needs_chromium]
POINTS = 120


def decided(project):
    store = open_reviews(project)
    state = ReviewState()
    state.catch_up(store)
    store.close()
    return len(state.all_effective())


def test_a_lasso_becomes_a_bulk_decision_that_one_undo_takes_back(tmp_path):
    home = tmp_path / "home"
    install_samples(home, sample_root())
    project = Project.open(home / "fashion")
    encoder = project.latest_run().record.encoder_fingerprint
    map_path(project, encoder).unlink()  # the sample's own has all rows
    make_map(project, encoder_fingerprint=encoder, most=POINTS)
    with server(home) as url, chromium() as page:
        page.goto(f"{url}/triage?project=fashion&view=Map")
        area = page.locator(".st-key-labels_map_Class .nsewdrag").first
        area.wait_for()
        settled(page)
        area.scroll_into_view_if_needed()
        box = box_of(area)
        x, y, width, height = box["x"], box["y"], box["width"], box["height"]
        seen = page.get_by_role("img", name=re.compile(f"^({'|'.join(project.dataset.classes)})$"))
        for step in range(1, 80):  # across the map, until the mouse rests on a point
            page.mouse.move(x + width * step / 80, y + height * (0.2 + 0.6 * (step % 2)), steps=8)
            page.wait_for_timeout(200)
            if page.locator(".hoverlayer .hovertext").count():
                break
        expect(seen).to_have_count(1)
        page.mouse.move(x + width * 0.02, y + height * 0.02)
        page.mouse.down()
        for right, down in [(0.02, 0.02), (0.98, 0.02), (0.98, 0.98), (0.02, 0.98), (0.02, 0.02)]:
            page.mouse.move(x + width * right, y + height * down, steps=6)
        page.mouse.up()
        page.get_by_text(f"All inside the lasso ({POINTS})").click()
        settled(page)
        page.get_by_role("button", name="Review and save …").click()
        page.get_by_role("button", name="Save ").and_(
            page.get_by_role("button", name="decisions")
        ).click()
        page.get_by_text("Undo my last step (1 can be undone)").wait_for()
        settled(page)
        soon(lambda: decided(project) > 0, True)
        page.get_by_text("Undo my last step (1 can be undone)").click()
        page.get_by_text("Undo my last step (0 can be undone)").wait_for()
        soon(lambda: decided(project), 0)
        assert page.outside == []
