"""A user's own CSV, from the upload to a wrong item of the trained project; and a broken one."""

import io
import random
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from browser import chromium, needs_chromium, server, settled
from PIL import Image
from playwright.sync_api import expect
from tiny import sentences

from influence_core.jobs import cancel, jobs
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
    # The map that follows a training would go on without anybody to see it.
    for job in (job for root in home.iterdir() if root.is_dir() for job in jobs(root)):
        cancel(job)


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


def clicks(page):
    """Count them as the browser hears them, also over page changes within the app."""
    page.evaluate(
        "window.clicks = 0; addEventListener('click', e => { if (e.isTrusted) clicks++ }, true)"
    )
    return lambda: page.evaluate("window.clicks")


def test_a_csv_leads_to_an_explained_error_in_five_clicks(url, home):
    with chromium() as page:
        page.set_viewport_size({"width": 1440, "height": 900})
        page.goto(f"{url}/home")
        page.get_by_role("button", name="New project").wait_for()
        count = clicks(page)
        page.get_by_role("button", name="New project").click()
        page.locator("input[type=file]").first.wait_for(state="attached")
        expect(page.get_by_text("Encoders: of sentences MiniLM (on this machine)")).to_be_visible()
        with page.expect_file_chooser() as chooser:
            page.get_by_test_id("stFileUploaderDropzone").locator("button").first.click()
        chooser.value.set_files({"name": "quick.csv", "mimeType": "text/csv", "buffer": table()})
        train = page.get_by_role("button", name=re.compile(r"^Train \(about \d+ "))
        train.wait_for()
        settled(page)
        expect(train).to_be_in_viewport(ratio=1)  # of a laptop, without scrolling
        page.set_viewport_size({"width": 900, "height": 900})
        expect(train).to_be_in_viewport(ratio=1)
        page.set_viewport_size({"width": 1440, "height": 900})
        train.click()
        # One job makes and trains; then the errors open, with the banner, by themselves.
        page.locator(".st-key-landed").wait_for()
        settled(page)
        banner = page.locator(".st-key-landed")
        expect(banner).to_contain_text(re.compile(r"Trained: [\d.]+\s% of test right"))
        expect(banner).to_contain_text(re.compile(r"\d+ errors?, \d+ suspicious labels?"))
        expect(page.locator(".st-key-project input")).to_have_value("quick")
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        assert count() <= 5
        assert page.outside == []
    [job] = [job for job in jobs(home) if job.title == "Train quick"]
    assert job.expected
    assert Project.open(home / "quick").latest_run().id == job.result["run"]


def test_what_is_wrong_stands_in_the_way_and_settings_are_true(url, home):
    with chromium() as page:
        page.goto(f"{url}/home?new=1")
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
        page.get_by_text("Advanced", exact=True).click()
        members = page.locator(".st-key-fit_members input")
        expect(members).to_have_value("16")
        expect(page.locator(".st-key-fit_width input")).to_have_value("256")
        members.fill("2")
        page.locator(".st-key-fit_epochs input").fill("5")
        page.locator(".st-key-fit_epochs input").press("Enter")
        settled(page)
        expect(create).to_be_enabled()
        create.click()
        page.locator(".st-key-landed").wait_for()
        expect(page).to_have_url(re.compile("landed="))
        settled(page)
        page.locator(".st-key-landed_away button").click()
        expect(page.locator(".st-key-landed")).to_have_count(0)
    made = Project.open(home / "mine")
    splits = made.header.splits
    assert sum(splits.values()) == 120
    assert made.latest_run().record.config["options"]["members"] == 2
    assert made.latest_run().record.config["options"]["epochs"] == 5


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


def grainy(shade, seed):
    """A picture that no check finds odd."""
    noise = np.random.default_rng(seed + shade).integers(0, 60, (24, 24), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise + np.uint8(shade)).save(out, "PNG")
    return out.getvalue()


def test_a_zip_of_pictures_becomes_a_project(url, home):
    before = own(home)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        for name, shade in (("cat", 40), ("dog", 180)):
            for i in range(6):
                opened.writestr(f"pets/{name}/{i}.png", grainy(shade, i))
    with chromium() as page:
        page.goto(f"{url}/home?new=1")
        page.locator("input[type=file]").first.wait_for(state="attached")
        page.locator("input[type=file]").first.set_input_files(
            {"name": "pets.zip", "mimeType": "application/zip", "buffer": held.getvalue()}
        )
        page.get_by_text("12 images: 12 train").wait_for()
        settled(page)
        expect(page.get_by_role("img", name="Image labelled dog")).not_to_have_count(0)
        expect(page.get_by_text("ZIP of images: pets.zip")).to_be_visible()
        create = page.locator(".st-key-wizard_create button")
        expect(create).to_be_enabled()
        page.set_viewport_size({"width": 1440, "height": 900})
        expect(create).to_be_in_viewport(ratio=1)
        assert own(home) == before
        # The network without a fetch is the first choice where the other is not on this machine.
        page.get_by_role("radio", name="Small grey network").click()
        expect(page.get_by_text("On this machine.", exact=False)).to_be_visible()
        settled(page)
        create.click()
        page.locator(".st-key-landed").wait_for()
        assert page.outside == []
    assert Project.open(home / "pets").settings.encoder == "vgg:encoder.safetensors"
    made = Project.open(home / "pets").dataset
    assert made.classes == ("cat", "dog")
    assert {Path(row).parent.name for split in made for row in split.ids} == {"cat", "dog"}
    assert sum(len(split) for split in made) == 12
    assert not list((home / ".uploads").rglob("pets*"))
