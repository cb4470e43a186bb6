"""Sentences, labels and ids that want to be more than text: on every page they stay text."""

import re
from contextlib import closing
from urllib.parse import urlencode

import pytest
from browser import box_of, chromium, needs_chromium, server, settled
from playwright.sync_api import expect
from tiny import png

from influence_core.data.build import build_dataset
from influence_core.installed import sample_root
from influence_core.jobs import folder as job_files
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.proposals import ProposalStore
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.explain.map import make_map
from influence_core.workflow.train.head import TrainOptions, train

pytestmark = [pytest.mark.browser, needs_chromium]

FAR = "http://192.0.2.1"  # an address that no one answers at
NASTY = (
    f"![picture]({FAR}/a.png)",
    f"<img src='{FAR}/b.png' onerror='window.hacked=1'>",
    "<script>window.hacked=1</script>",
    f"[a link]({FAR}/c) and {FAR}/d.png",
    "\u202eright to left\u202c and zero\u200bwidth\u2066",
    "$\\href{javascript:window.hacked=1}{x}$ and :material/delete: and :red[red]",
    "=HYPERLINK('x') | a | table | `code` # heading",
    f"<svg onload='window.hacked=1'><style>@import '{FAR}/e.css';</style>",
    "</div></script><iframe srcdoc='<script>top.hacked=1</script>'>",
    "a\x07bell 😀 ``` fence",
)
CLASSES = ["<b>bold</b> ![x](http://192.0.2.1/f.png)", "**plain** :smile: $x^2$", "a|b `c`"]
PAGES = ("home", "", "select", "triage", "cleansing", "evaluation", "history")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "home"
    parts = {}
    for split, rows in (("train", 150), ("valid", 30), ("test", 45)):
        texts = [f"{NASTY[i % len(NASTY)]} {split} {i}" for i in range(rows)]
        # A text's kind tells its label, so that a model learns it; a quarter of the training labels
        # and of the test labels are wrong, so that it errs, and cleansing finds something.
        wrong = split != "valid"
        labels = [(i % len(NASTY) + (wrong and i % 4 == 3)) % 3 for i in range(rows)]
        ids = [f"{NASTY[(i + 3) % len(NASTY)]}-{split}-{i}" for i in range(rows)]
        parts[split] = {"text": texts, "label": labels, "id": ids}
    made = Project.create(
        folder / "hostile", "<i>Hostile</i> ![x](http://192.0.2.1/g.png)",
        build_dataset(parts, CLASSES), "minilm",
    )  # fmt: skip
    run = train(made, TrainOptions(members=4, width=64, epochs=30))
    make_map(made, encoder_fingerprint=run.record.encoder_fingerprint, most=60)
    return folder


def reviewed(made):
    """The project with decisions by people of hostile names and notes, and a job that failed so."""
    train_split = made.dataset.train
    with closing(open_reviews(made)) as store:
        for row, text in enumerate(NASTY):
            key, content = int(train_split.keys[row]), int(train_split.content_hashes[row])
            label = CLASSES[int(train_split.labels[row])]
            one = Decision(key, content, "exclude", label, note=text.replace("\x07", ""))
            store.append(Action(text.replace("\x07", ""), [one], made.fingerprint))
            agent = Action(f"agent:{text}".replace("\x07", ""), [one], made.fingerprint)
            ProposalStore(store).propose(agent)
    folder = made.root / job_files.JOBS / "20260101-000000-aaaaaa"
    folder.mkdir(parents=True)
    card = {"title": NASTY[1], "arguments": ["train"], "created": "2026-01-01", "who": NASTY[7]}
    job_files.write(folder, "job.json", card)
    job_files.write(folder, "attempt.json", {"number": 1, "state": "running", "time": 0})
    job_files.write(folder, "ending.json", {"state": "failed", "message": NASTY[2], "time": ""})
    (folder / job_files.LOG).write_text("\n".join(NASTY))
    return made


def pictures(folder):
    """A project of pictures whose classes, files and folders are called so."""
    parts = {}
    for split, rows in (("train", 30), ("test", 12)):
        labels = [i % 2 for i in range(rows)]
        parts[split] = {
            "image": [
                png(40 + 150 * (y ^ (i % 5 == 4)) + i % 9, (28, 28)) for i, y in enumerate(labels)
            ],
            "label": labels,
            "id": [f"{NASTY[i % len(NASTY)]}/{split}{i}.png" for i in range(rows)],
        }
    encoder = f"vgg:{sample_root() / 'fashion' / 'trunk.safetensors'}"
    made = Project.create(folder, NASTY[2], build_dataset(parts, CLASSES[:2]), encoder)
    train(made, TrainOptions(members=2, width=16, epochs=10))
    return made


def harmless(page):
    """Nothing ran, nothing was fetched, and no element came out of the data."""
    assert page.evaluate("window.hacked") is None
    assert page.outside == []
    assert page.locator("iframe[srcdoc], .stApp script, .stApp svg[onload]").count() == 0
    for tag in ("img", "a"):
        name = {"img": "src", "a": "href"}[tag]
        assert page.locator(f"{tag}[{name}*='192.0.2.1']").count() == 0
    assert page.locator("text=Something went wrong").count() == 0


def test_no_page_takes_data_for_more_than_text(home):
    with server(home) as url, chromium() as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
        for name in PAGES:
            page.goto(f"{url}/{name}?project=hostile")
            page.locator("h1, h2, h3").first.wait_for()
            settled(page)
            page.wait_for_timeout(500)
            harmless(page)
        page.goto(f"{url}/?project=hostile")
        page.get_by_text("Map of the training data").wait_for()
        settled(page)
        shown = page.locator(".stApp").inner_text()
        assert "<b>bold</b>" in shown
        assert re.search(r"<script>window\.hacked=1</script>|<img src=|!\[picture\]", shown)
        page.get_by_role("button", name="Explain").first.click()
        page.locator(".st-key-helpful_1").wait_for()
        settled(page)
        harmless(page)
        # The map, with the texts of its points.
        page.get_by_text("Map of the training data").click()
        points = page.locator(".st-key-errors_map_Class .nsewdrag").first
        points.wait_for()
        settled(page)
        points.scroll_into_view_if_needed()
        box = box_of(points)
        for part in (0.2, 0.5, 0.8):  # over its points
            page.mouse.move(
                box["x"] + part * box["width"], box["y"] + part * box["height"], steps=8
            )
        harmless(page)
        # What a cleansing would do, with examples from the top of its list.
        page.goto(f"{url}/cleansing?project=hostile")
        page.get_by_role("button", name="Find harmful rows").click()
        page.get_by_text("What would change:").wait_for()
        settled(page)
        harmless(page)
        page.goto(f"{url}/triage?project=hostile")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        page.get_by_role("button", name="Compare").first.click()
        page.locator("dialog.compare").wait_for()
        harmless(page)
        page.keyboard.press("Escape")
        for key in "kxu":
            page.keyboard.press(key)
        page.get_by_text("all decisions saved").wait_for()
        harmless(page)


def test_whatever_else_is_shown_stays_text_too(home):
    reviewed(Project.open(home / "hostile"))
    pictures(home / "pictures")
    views = [f"triage?project=hostile&view={v}" for v in ("Grid", "Duplicates", "Map", "Proposed")]
    pages = [f"{name}?project=pictures" for name in ("", "triage", "history")]
    wrong = [f"?{urlencode({'project': 'hostile', what: NASTY[1]})}" for what in ("run", "split")]
    wrong += [f"?{urlencode({'project': text})}" for text in (NASTY[1], NASTY[0])]
    with server(home) as url, chromium() as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a dialog opened: {dialog.message}"))
        for address in (*views, *pages, *wrong, "history?project=hostile"):
            page.goto(f"{url}/{address}")
            page.locator("h1, h2, h3, .stAlert").first.wait_for()
            settled(page)
            page.wait_for_timeout(300)
            if "view=" in address:
                view = page.get_by_role("radio", name=address.partition("view=")[2], exact=True)
                expect(view).to_be_checked()
            harmless(page)
        # The list of jobs, with the log of one.
        page.locator("[data-testid=stSidebar]").get_by_text("Recent jobs").first.click()
        settled(page)
        harmless(page)
        # A file of columns, classes and texts that are called so, in the wizard.
        page.goto(f"{url}/home?new=1")
        page.locator("input[type=file]").first.wait_for(state="attached")
        lines = [f'"{text}",{i % 2} {CLASSES[i % 2]}' for i, text in enumerate(NASTY * 3)]
        head = f'text,label,"{NASTY[1]}","{NASTY[0]}"'
        table = "\n".join([head, *(f'{line},"{NASTY[7]}","{NASTY[3]}"' for line in lines), ""])
        name = f"{NASTY[1].replace('/', '')}.csv"
        held = {"name": name, "mimeType": "text/csv", "buffer": table.encode()}
        page.locator("input[type=file]").first.set_input_files(held)
        page.get_by_text("None of the pictures that column").wait_for()
        settled(page)
        harmless(page)
