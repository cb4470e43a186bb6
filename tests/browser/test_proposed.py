"""What an agent proposes, in a real browser: shown by whom, answered by a person, undone."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.store.project import Project
from influence_core.workflow.exchange.import_decisions import apply_decisions, read_decisions

pytestmark = [pytest.mark.browser, needs_chromium]
NAME = "<b>agent</b> *x*"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("proposed") / "home"


@pytest.fixture(scope="module")
def url(home):
    with server(home) as address:
        yield address


def propose(home, tmp_path, rows):
    """As `turnover decide --propose` does it; keys of the rows."""
    fashion = Project.open(home / "fashion")
    train, classes = fashion.dataset.train, fashion.dataset.classes
    lines = []
    for p in range(rows):
        label = classes[(int(train.labels[p]) + 1) % len(classes)]
        lines.append({"key": f"{int(train.keys[p]):016x}", "verdict": "relabel"})
        lines[-1] |= {"new_label": label, "note": f"<i>reason</i> {p}"}
    file = tmp_path / "decisions.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = read_decisions(fashion, file, "jsonl")
    assert apply_decisions(fashion, found, f"agent:{NAME}", propose=True) == rows
    return [line["key"] for line in lines]


def decided(home):
    found = Project.open(home / "fashion").decisions()
    return dict(zip(found["key"], found["outcome"], strict=True))


def test_a_person_accepts_rejects_and_takes_back_what_an_agent_proposes(url, home, tmp_path):
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")  # the sample is copied now
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        keys = propose(home, tmp_path, 15)
        assert decided(home) == {}
        page.reload()
        expect(page.get_by_text(f"15 rows with a proposal by agent:{NAME}")).to_be_visible()
        page.get_by_role("button", name="Look at them").click()
        expect(page.get_by_text(re.compile("^Proposed by agent:<b>agent</b>"))).to_have_count(12)
        expect(page.get_by_text("<i>reason</i> 0", exact=True)).to_be_visible()
        assert not Axe().run(page).response["violations"]

        page.get_by_role("button", name="Accept", exact=True).first.click()
        expect(page.get_by_text("Saved: 1 row decided as proposed.")).to_be_visible()
        soon(lambda: decided(home), {keys[0]: "relabel"})
        page.get_by_role("button", name="Reject", exact=True).first.click()
        expect(page.get_by_text("Saved: 1 row rejected.")).to_be_visible()
        expect(page.get_by_text("13 rows with a proposal")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("14 rows with a proposal")).to_be_visible()
        assert decided(home) == {keys[0]: "relabel"}

        page.get_by_role("button", name="Accept all 14").click()
        page.get_by_role("dialog").get_by_role("button", name="Accept all").click()
        expect(page.get_by_text("Saved: 14 rows decided as proposed.")).to_be_visible()
        soon(lambda: decided(home), dict.fromkeys(keys, "relabel"))
        page.get_by_role("button", name="Undo").click()
        soon(lambda: decided(home), {keys[0]: "relabel"})
        assert page.outside == []


def test_on_the_desk_a_proposal_stands_beside_the_row_and_is_answered_there(url, home, tmp_path):
    with chromium() as page:
        page.goto(f"{url}/triage?project=fashion")
        page.locator(".desk[data-row]:not([data-row=''])").wait_for()
        before = decided(home)
        page.get_by_test_id("stPopover").filter(has_text="Filters").get_by_role("button").click()
        page.get_by_role("combobox", name="Status").click()
        page.get_by_role("option", name=re.compile("^proposed")).click()
        page.keyboard.press("Escape")
        settled(page)
        expect(page.locator(".where")).to_have_text(re.compile("^1 of 14,"))
        desk, box = page.locator(".desk"), page.locator(".proposed")
        first = desk.get_attribute("data-row")
        expect(box).to_contain_text(f"Proposed by agent:{NAME}: ")
        box.get_by_role("button", name="Accept").click()
        soon(lambda: decided(home), {**before, first: "relabel"})
        second = desk.get_attribute("data-row")
        assert second != first
        box.get_by_role("button", name="Reject").click()
        page.get_by_text("all decisions saved").wait_for()
        expect(page.locator(".told")).to_contain_text("the proposal is rejected")
        page.keyboard.press("z")
        page.get_by_text("all decisions saved").wait_for()
        expect(page.locator(f".desk[data-row='{second}']")).to_be_visible()
        expect(box).to_contain_text("Proposed by")
        assert decided(home) == {**before, first: "relabel"}
        page.keyboard.press("k")  # any word of a person is an answer
        soon(lambda: decided(home), {**before, first: "relabel", second: "keep"})
