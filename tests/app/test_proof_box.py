"""*Verify* on the Errors page: a job whose outcome is found again, and decisions by one click."""

import time

import pytest
from errors_page import start
from tiny import project

from influence_core.disk.names import projects_home
from influence_core.jobs import cancel, find, jobs, log_tail
from influence_core.store.project import Project
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture
def tiny():
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=4))
    return Project.open(made.root)


def ended(root):
    (job,) = jobs(root)
    for _ in range(4800):
        now = find(root, job.id)
        if not now.active:
            return now
        time.sleep(0.05)
    raise AssertionError(now)


def sentences(test):
    return [e.value.replace("\\", "") for e in [*test.info, *test.success]]


def keys(test):
    return {button.key for button in test.button}


def test_the_outcome_of_the_job_is_found_again_and_becomes_decisions(tiny):
    first, second = (f"{int(key):016x}" for key in tiny.dataset.split("test").keys[:2])
    test = start(project="tiny", item=first)
    assert "act_leave" not in keys(test)
    test.number_input(key="proof_k").set_value(4).run()
    test.button(key="proof_go").click().run()
    assert not test.exception
    done = ended(tiny.root)
    assert done.state == "done", log_tail(done)
    assert done.title == f"Verify test {tiny.dataset.split('test').ids[0]}"
    again = start(project="tiny", item=first)  # another browser, after a reload
    assert not again.exception
    assert any("Without these 4 rows" in s and "of 10 retrainings" in s for s in sentences(again))
    other = start(project="tiny", item=second)
    assert not any("of 10 retrainings" in s for s in sentences(other))
    again.segmented_control(key="proof_side").set_value("harmful").run()
    assert not any("of 10 retrainings" in s for s in sentences(again))
    again.segmented_control(key="proof_side").set_value("helpful").run()
    again.button(key="act_leave").click().run()
    assert any("4 rows left out" in m.value for m in again.markdown)
    assert [edit.action for edit in decided_edits(tiny)[0]] == ["remove"] * 4
    again.button(key="act_undo").click().run()
    assert not again.exception
    assert decided_edits(tiny)[0] == ()
    assert "act_leave" in keys(again)


def test_a_job_can_be_cancelled_and_says_how_to_go_on(tiny):
    item = f"{int(tiny.dataset.split('test').keys[0]):016x}"
    test = start(project="tiny", item=item)
    test.button(key="flip_go").click().run()
    (job,) = jobs(tiny.root)
    cancel(job)
    over = ended(tiny.root)
    test = start(project="tiny", item=item)
    assert not test.exception
    if over.state == "cancelled":  # it may have been quicker
        assert f"resume_page_{job.id}" in keys(test)
    assert "proof_go" in keys(test)
