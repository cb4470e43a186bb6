"""The whole story in one browser: a wrong item, a harmful row, decisions, cleansing, the file."""

import csv
import io

import pyarrow.parquet as pq
import pytest
from browser import chromium, needs_chromium, server, settled, soon

from influence_core.store.project import Project
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews

pytestmark = [pytest.mark.browser, needs_chromium]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("story") / "home"


@pytest.fixture(scope="module")
def url(home):
    with server(home) as address:
        yield address


def decided(project):
    """Key in hex to (verdict, new label), as the database has them."""
    store = open_reviews(project)
    state = ReviewState()
    state.catch_up(store)
    store.close()
    return {
        f"{key:016x}": (word.outcome, word.new_label) for key, word in state.all_effective().items()
    }


def rows_of(path, sample):
    """(id, label) of every row of an export, in order."""
    if sample == "fashion":
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        return list(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    with path.open(newline="", encoding="utf-8") as file:
        return [(row["id"], row["label"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("sample", ["reviews", "fashion"])
def test_from_a_wrong_item_to_the_cleansed_file(url, home, tmp_path, sample):
    with chromium() as page:
        page.goto(f"{url}/?project={sample}")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-harmful_1").wait_for()
        settled(page)
        page.set_default_timeout(600_000)
        project = Project.open(home / sample)
        mark = page.locator(".st-key-mark_harmful_1").get_by_role("button").first
        mark.click()
        page.locator(".st-key-harmful_1").get_by_text("marked wrong").wait_for()
        # A slip is taken back where it was made.
        page.locator(".st-key-unmark_harmful_1").get_by_role("button").first.click()
        soon(lambda: decided(project), {})
        mark.click()
        page.locator(".st-key-harmful_1").get_by_text("marked wrong").wait_for()
        soon(lambda: [verdict for verdict, _ in decided(project).values()], ["relabel"])
        marked = decided(project)

        page.get_by_role("link", name="Labels").click()
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        page.locator(".desk[data-loaded='32']").wait_for()
        for letter in "axku" * 5:
            page.keyboard.press(letter)
        page.get_by_text("all decisions saved").wait_for()
        soon(lambda: len(decided(project)), 21)
        words = decided(project)
        assert marked.items() <= words.items()

        page.get_by_role("link", name="Clean data").click()
        page.locator(".st-key-cleanse_by input").click()
        page.get_by_role("option", name="Reviewer decisions only").click()
        page.get_by_role("button", name="Find harmful rows").click()
        page.get_by_text("What would change:").wait_for()
        settled(page)
        page.locator(".st-key-try_seeds input").fill("2")
        page.locator(".st-key-try_seeds input").press("Enter")
        page.get_by_role("button", name="Try it").click()
        page.get_by_text("points of accuracy on").first.wait_for()
        settled(page)
        page.get_by_role("button", name="Export the cleansed training set").click()
        page.get_by_role("button", name="Download data").wait_for()
        settled(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download data").click()
        path = tmp_path / "clean"
        download.value.save_as(path)
        assert page.outside == []

    train = project.dataset.train
    expected = []
    for key, row, label in zip(train.keys, train.ids, train.labels, strict=True):
        verdict, new = words.get(f"{int(key):016x}", ("keep", None))
        if verdict != "exclude":
            old = project.dataset.classes[label]
            expected.append((row, new if verdict == "relabel" else old))
    assert rows_of(path, sample) == expected
    assert sum(verdict == "exclude" for verdict, _ in words.values()) == 5
