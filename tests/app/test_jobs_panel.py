"""The jobs panel without a browser: what it says about jobs, and its buttons."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny import project

from influence_core.disk.names import projects_home
from influence_core.jobs import find, jobs, start
from influence_core.jobs import folder as files
from influence_core.workflow.train.head import encode

APP = Path(__file__).resolve().parents[2] / "app.py"


def open_page():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    return test.run()


def button(page, label):
    return next((b for b in page.sidebar.button if b.label == label), None)


def ended(job):
    for _ in range(1200):
        now = find(job.root, job.id)
        if not now.active:
            return now
        time.sleep(0.05)
    raise AssertionError(now)


@pytest.fixture
def root():
    made = project(projects_home() / "tiny", n=60)
    encode(made)
    return made.root


def test_a_job_is_shown_cancelled_resumed_and_its_run_opened(root):
    assert button(open_page(), "Cancel") is None
    arguments = ["train", str(root), "--members", "2", "--width", "16", "--epochs", "2"]
    # Slots are taken by name, so a held one keeps the job waiting as long as the test likes.
    queue = projects_home() / ".jobs"
    queue.mkdir(parents=True, exist_ok=True)
    with files.lock(queue, "slot-0.lock"):
        job = start(root, arguments, title="Train *two* members")
        page = open_page()
        assert not page.exception
        assert any("\\*two\\*" in m.value for m in page.sidebar.markdown)
        button(page, "Cancel").click()
        page.run()
        assert ended(job).state == "cancelled"
    page = open_page()
    assert any("Cancelled" in m.value for m in page.sidebar.markdown)
    button(page, "Resume").click()
    page.run()
    done = ended(job)
    assert done.state == "done"
    page = open_page()
    assert any("Done" in m.value for m in page.sidebar.markdown)
    assert page.session_state["run"] == done.result["run"]
    assert button(page, "Open the run") is None  # it is open
    assert [j.id for j in jobs(root)] == [job.id]
