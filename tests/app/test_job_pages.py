"""Work that is started from a page as a job: training with its curves, an evaluation."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny import project

from influence_core.disk.names import projects_home
from influence_core.jobs import find, jobs, log_tail
from influence_core.store.evaluations import read_evaluation
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, encode, train

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture
def tiny():
    made = project(projects_home() / "tiny", n=60)
    encode(made)
    return made


def ended(root):
    (job,) = jobs(root)
    for _ in range(2400):
        now = find(root, job.id)
        if not now.active:
            return now
        time.sleep(0.05)
    raise AssertionError(now)


def controls(root):
    from pathlib import Path

    from influence_core.store.project import Project
    from pages.ui.train import train_controls

    train_controls(Project.open(Path(root)))


def test_training_from_a_form_shows_curves(tiny):
    page = AppTest.from_function(controls, args=(str(tiny.root),), default_timeout=600).run()
    assert not page.exception
    page.number_input(key="fit_members").set_value(2)
    page.number_input(key="fit_width").set_value(16)
    page.number_input(key="fit_epochs").set_value(3)
    page.number_input(key="fit_seed").set_value(7)
    page.button(key="fit_go").click().run()
    assert not page.exception
    done = ended(tiny.root)
    assert done.state == "done", log_tail(done)
    assert done.title == "Train 2 × 16, seed 7"
    run = Project.open(tiny.root).run(done.result["run"])
    config = run.record.config
    assert (run.record.seed, config["head"]["width"], config["training"]["epochs"]) == (7, 16, 3)
    page = AppTest.from_function(controls, args=(str(tiny.root),), default_timeout=600).run()
    assert not page.exception
    assert any("Done" in c.value for c in page.caption)
    assert len(page.get("plotly_chart")) == 1
    assert page.button(key="fit_go").label == "Train"


def open_trust():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    test.run()
    return test.switch_page("pages/trust.py").run()


def test_an_evaluation_from_the_trust_page_fills_it(tiny):
    run = train(tiny, TrainOptions(members=2, width=16, epochs=3))
    page = open_trust()
    page.multiselect(key="evaluate_what").set_value(["isolation", "null"])
    page.number_input(key="evaluate_targets").set_value(2)
    page.number_input(key="evaluate_subsets").set_value(10)
    page.button(key="evaluate_go").click().run()
    assert not page.exception
    done = ended(tiny.root)
    assert done.state == "done", log_tail(done)
    assert "null,isolation" in done.arguments
    assert read_evaluation(tiny.root).run == run.id
    page = open_trust()
    assert not page.exception
    shown = [e.value for e in [*page.success, *page.error]]
    assert any("Isolation" in s for s in shown)
    assert page.button(key="evaluate_go").label == "Evaluate again"
