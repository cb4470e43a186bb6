"""Sets of copies in a real browser: all decided at once after a look, undone by one click."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import chromium, needs_chromium, server, settled, soon
from playwright.sync_api import expect

from influence_core.data.build import build_dataset
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, train

pytestmark = [pytest.mark.browser, needs_chromium]
EXACT = ["<b>the plot</b> is thin but the actors save the evening", "nobody liked *the* soundtrack"]
NEAR = "what a waste of popcorn and of two hours"


def made(home):
    """Two exact sets, one of them across splits, and a near one."""
    texts = [f"{word} film number {i}" for i, word in enumerate(["good", "bad"] * 12)]
    labels = [1, 0] * 12
    texts += [EXACT[0]] * 3 + [EXACT[1], NEAR, f"well {NEAR}"]
    labels += [0, 1, 1, 0, 0, 0]
    parts = {
        "train": {"text": texts, "label": labels},
        "test": {"text": [EXACT[1], "seen by nobody before"], "label": [0, 1]},
    }
    project = Project.create(home / "copied", "Copied", build_dataset(parts, ["a", "b"]), "minilm")
    train(project, TrainOptions(members=1, width=8, epochs=1))
    return project


def excluded(project):
    found = project.decisions()
    keys = found["key"][found["outcome"] == "exclude"]
    return sorted(project.dataset.train.position(int(key, 16)) for key in keys)


def test_all_sets_are_decided_after_a_look_and_one_undo_takes_it_back(tmp_path):
    project = made(tmp_path / "home")
    with server(tmp_path / "home") as url, chromium() as page:
        page.goto(f"{url}/triage?project=copied&view=Duplicates")
        expect(page.get_by_text("3 sets of copies: 1 with different labels")).to_be_visible()
        expect(page.get_by_text(EXACT[0], exact=True)).to_have_count(1)  # for all three rows
        expect(page.get_by_text("Keep this one instead")).to_have_count(3)
        assert not Axe().run(page).response["violations"]
        every = page.get_by_role("button", name="Exclude all but one of each set")
        every.click()
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text("3 training rows of 2 sets")).to_be_visible()
        dialog.get_by_text("Near copies too (1 set)").click()  # some may be none
        dialog.get_by_role("button", name="Exclude 4 training rows").click()
        expect(page.get_by_test_id("stToast")).to_contain_text("Saved: 4 training rows excluded")
        soon(lambda: excluded(project), [24, 26, 27, 29])
        settled(page)
        expect(every).to_be_disabled()
        page.get_by_role("button", name="Undo my last step").click()
        soon(lambda: excluded(project), [])
        expect(every).to_be_enabled()
        page.get_by_role("button", name="Keep this one instead").first.click()
        soon(lambda: excluded(project), [25, 26])
        assert page.outside == []
