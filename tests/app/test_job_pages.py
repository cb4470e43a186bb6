"""Work that is started from a page as a job: training with its curves, an evaluation."""

import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny import project

from influence_core.disk.names import projects_home
from influence_core.jobs import cancel, find, jobs, log_tail
from influence_core.store.evaluations import read_evaluation
from influence_core.store.project import Project
from influence_core.workflow.expected import following_evaluation, shape_of
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
    page.checkbox(key="fit_then_map").uncheck()
    page.checkbox(key="fit_then_evaluate").uncheck()
    page.button(key="fit_go").click().run()
    assert not page.exception
    done = ended(tiny.root)
    assert done.state == "done", log_tail(done)
    assert done.title == "Train Tiny: standard, seed 7"
    run = Project.open(tiny.root).run(done.result["run"])
    config = run.record.config
    assert (run.record.seed, config["head"]["width"], config["training"]["epochs"]) == (7, 16, 3)
    page = AppTest.from_function(controls, args=(str(tiny.root),), default_timeout=600).run()
    assert not page.exception
    assert any("Done" in c.value for c in page.markdown)
    assert len(page.get("plotly_chart")) == 1
    assert page.button(key="fit_go").label.startswith("Train (about ")
    assert page.number_input(key="fit_members").value == 16  # what is true, and no zero
    page.selectbox(key="fit_size").set_value("lean").run()
    assert [page.number_input(key=f"fit_{name}").value for name in ("members", "width")] == [8, 32]


def test_the_evaluation_that_follows_a_training_is_told_before_and_known_to_its_job(tiny):
    page = AppTest.from_function(controls, args=(str(tiny.root),), default_timeout=600).run()
    asked = page.checkbox(key="fit_then_evaluate").check().run().checkbox(key="fit_then_evaluate")
    assert asked.label.startswith("Then evaluate (about ")
    for name, value in (("members", 256), ("width", 4096), ("epochs", 1000)):
        page.number_input(key=f"fit_{name}").set_value(value)
    longer = page.run().checkbox(key="fit_then_evaluate")
    assert longer.label.endswith(" h)")  # it follows the settings,
    assert longer.value  # and what was ticked stays so
    page.checkbox(key="fit_then_map").uncheck()
    for name, value in (("members", 2), ("width", 16), ("epochs", 3)):
        page.number_input(key=f"fit_{name}").set_value(value)
    page.button(key="fit_go").click().run()
    while len(found := jobs(tiny.root)) < 2:
        assert found[0].state not in ("failed", "cancelled"), log_tail(found[0])
        time.sleep(0.05)
    follows = next(job for job in found if job.title == "Evaluate")
    cancel(follows)
    own = TrainOptions(members=2, width=16, epochs=3)
    assert follows.expected == following_evaluation(shape_of(tiny), own).seconds


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
