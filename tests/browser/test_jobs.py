"""A job in a real browser: the page follows it by itself and draws its result when it ends."""

import pytest
from browser import chromium, needs_chromium, server, soon
from playwright.sync_api import expect
from tiny import project

from influence_core.jobs import folder as files
from influence_core.jobs import jobs
from influence_core.workflow.train.head import TrainOptions, train


@pytest.mark.browser
@needs_chromium
def test_an_evaluation_goes_on_without_the_app_and_its_result_appears_by_itself(tmp_path):
    home = tmp_path / "home"
    made = project(home / "tiny", n=60)
    train(made, TrainOptions(members=2, width=32, epochs=3))
    (home / ".jobs").mkdir()
    with files.lock(home / ".jobs", "slot-0.lock") as slot:  # the job waits for us
        with server(home) as url, chromium() as page:
            page.goto(f"{url}/evaluation?project=tiny")
            page.get_by_role("button", name="Evaluate now").click()
            page.get_by_role("button", name="Cancel").first.wait_for()
        soon(lambda: [job.state for job in jobs(made.root)], ["queued"])
        with server(home) as url, chromium() as page:
            page.goto(f"{url}/evaluation?project=tiny")
            page.get_by_text("Queued").first.wait_for()
            assert page.get_by_text("Isolation: passed").count() == 0
            slot.release()
            page.get_by_text("Evaluate again").first.wait_for()
            sidebar = page.get_by_test_id("stSidebar")
            sidebar.get_by_text("Recent jobs").wait_for()
            expect(sidebar.get_by_role("button", name="Cancel")).to_have_count(0)
            expect(page.get_by_text("Isolation: passed")).to_be_visible()
            assert page.outside == []
    soon(lambda: [job.state for job in jobs(made.root)], ["done"])
