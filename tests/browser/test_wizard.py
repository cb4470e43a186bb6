"""A user's own CSV, from the upload to a wrong item of the trained project; and a broken one."""

import io
import random
import re
import zipfile
from pathlib import Path

import pytest
from browser import chromium, needs_chromium, server, settled
from playwright.sync_api import expect
from tiny import png, sentences

from influence_core.store.project import Project, list_projects

pytestmark = [pytest.mark.browser, needs_chromium]
WRONG = 0.25  # share of labels turned over, so that some test items come out wrong


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("wizard") / "home"


@pytest.fixture(scope="module")
def url(home):
    with server(home) as address:
        yield address


def table(extra=()):
    """120 sentences, a quarter of them with the other label."""
    texts, labels = sentences(120)
    toss = random.Random(0)
    lines = ["text,label"]
    for text, label in zip(texts, labels, strict=True):
        given = label ^ (toss.random() < WRONG)
        lines.append(f"{text},{'good' if given else 'bad'}")
    return "\n".join([*lines, *extra, ""]).encode()


def upload(page, name, content):
    page.locator("input[type=file]").first.set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )


def own(home):
    return {p.root.name for p in list_projects(home)} - {"fashion", "reviews"}


def test_a_csv_becomes_a_trained_project_with_its_errors(url, home):
    with chromium() as page:
        page.goto(f"{url}/home")
        page.get_by_role("button", name="New project").click()
        page.locator("input[type=file]").first.wait_for(state="attached")
        upload(page, "mine.csv", table(["nobody said what this is,"]))
        # What is wrong stands in the way, until the one bad row is left out.
        page.get_by_text("has no label").wait_for()
        settled(page)
        create = page.locator(".st-key-wizard_create button")
        expect(create).to_be_disabled()
        page.get_by_test_id("stCheckbox").get_by_text("Leave bad rows out").click()
        page.get_by_text("left out 1.").wait_for()
        settled(page)
        expect(page.get_by_text("120 sentences: 120 train")).to_be_visible()
        expect(page.get_by_text("no valid and test split")).to_be_visible()
        expect(create).to_be_enabled()
        create.click()
        # The project is made by a job; then the page goes on to training by itself.
        page.locator(".st-key-fit_go button").wait_for()
        expect(page).to_have_url(re.compile("train=mine"))
        settled(page)
        page.locator(".st-key-fit_size").wait_for()
        page.locator(".st-key-fit_members input").fill("2")
        page.locator(".st-key-fit_epochs input").fill("5")
        page.locator(".st-key-fit_go button").click()
        page.get_by_text("Train 2 ×").first.wait_for()
        page.locator(".st-key-to_errors button").click()
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        expect(page.locator(".st-key-project input")).to_have_value("mine")
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        page.locator(".st-key-harmful_1").wait_for()
        assert page.outside == []
    made = Project.open(home / "mine")
    splits = made.header.splits
    assert sum(splits.values()) == 120
    assert made.latest_run().record.config["options"]["members"] == 2


def test_a_broken_csv_is_one_sentence_and_loses_nothing(url, home):
    before = own(home)
    with chromium() as page:
        page.goto(f"{url}/home?new=1")
        page.locator("input[type=file]").first.wait_for(state="attached")
        upload(page, "broken.csv", b'text,label\nfine,good\n"never, closed,bad\n')
        alert = page.get_by_test_id("stAlert")
        alert.first.wait_for()
        settled(page)
        expect(alert).to_have_count(1)
        said = alert.inner_text()
        assert "broken.csv" in said
        assert "Traceback" not in said
        assert "/" not in said  # not where uploads are kept
        expect(page.get_by_text("Nothing was created")).to_be_visible()
        expect(page.locator(".st-key-wizard_create")).to_have_count(0)
        assert own(home) == before
        # The same page takes the mended file at once.
        upload(page, "mended.csv", table())
        page.get_by_text("120 sentences: 120 train").wait_for()
        settled(page)
        expect(alert.filter(has_text="broken.csv")).to_have_count(0)
        expect(page.locator(".st-key-wizard_create button")).to_be_enabled()
        assert own(home) == before


def test_a_zip_of_pictures_becomes_a_project(url, home):
    before = own(home)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        for name, shade in (("cat", 40), ("dog", 200)):
            for i in range(6):
                opened.writestr(f"pets/{name}/{i}.png", png(shade + i, (24, 24)))
    with chromium() as page:
        page.goto(f"{url}/home?new=1")
        page.locator("input[type=file]").first.wait_for(state="attached")
        page.locator("input[type=file]").first.set_input_files(
            {"name": "pets.zip", "mimeType": "application/zip", "buffer": held.getvalue()}
        )
        page.get_by_text("12 images: 12 train").wait_for()
        settled(page)
        expect(page.get_by_role("img")).not_to_have_count(0)
        create = page.locator(".st-key-wizard_create button")
        expect(create).to_be_enabled()
        assert own(home) == before
        create.click()
        page.locator(".st-key-fit_go button").wait_for()
        expect(page).to_have_url(re.compile("train=pets"))
        assert page.outside == []
    made = Project.open(home / "pets").dataset
    assert made.classes == ("cat", "dog")
    assert {Path(row).parent.name for split in made for row in split.ids} == {"cat", "dog"}
    assert sum(len(split) for split in made) == 12
    assert not list((home / ".uploads").rglob("pets*"))
