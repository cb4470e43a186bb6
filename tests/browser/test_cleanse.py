"""From the question to the file in a real browser: find, try, export, and read what came out."""

import csv

import pytest
from browser import chromium, needs_chromium, server, settled
from tiny import project

from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import load_cleansing
from influence_core.workflow.train.head import TrainOptions, train

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cleanse") / "home"
    train(project(folder / "tiny", n=120), TrainOptions(members=2, width=32, epochs=5))
    return folder


def test_find_try_export_and_compare_the_download(home, tmp_path):
    with server(home) as url, chromium() as page:
        page.goto(f"{url}/cleansing?project=tiny")
        page.get_by_role("button", name="Find harmful rows").click()
        # The result appears by itself when the job has ended.
        page.get_by_text("What would change:").wait_for()
        page.locator(".st-key-rounds_curve .js-plotly-plot").wait_for()
        page.get_by_role("button", name="Try it").click()
        page.get_by_text("points of accuracy on").first.wait_for()
        settled(page)
        page.get_by_role("button", name="Export the cleansed training set").click()
        page.get_by_text("Kept in").wait_for()
        settled(page)  # a click on a page that is still being drawn may be lost
        path, seen = tmp_path / "down.csv", set()
        for _ in range(5):  # each click gives the same file, also after others
            with page.expect_download() as download:
                page.get_by_role("button", name="Download data").click()
            download.value.save_as(path)
            seen.add(path.read_bytes())
            settled(page)
        assert len(seen) == 1
        assert page.outside == []
    opened = Project.open(home / "tiny")
    gone = {edit.id for edit in load_cleansing(opened).edits()}
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    ids = opened.dataset.train.ids
    assert gone
    assert [row["id"] for row in rows] == [i for i in ids if i not in gone]
    texts = dict(zip(ids, opened.dataset.train.texts(), strict=True))
    assert all(row["text"] == texts[row["id"]] for row in rows)
