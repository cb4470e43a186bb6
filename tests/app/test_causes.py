"""*Causes of these errors*: kinds of rows behind a cell, decided and taken back as a whole."""

import time

import numpy as np
import pytest
from errors_page import start, worst

from influence_core.store.project import Project, projects_home
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.explain.groups.causes import causes_of
from influence_core.workflow.explain.groups.group import Group, group_positions

CELL = {"true": "positive", "pred": "negative"}


def cell():
    """The page with the cell chosen, once its causes are found."""
    test = start(address=CELL, project="reviews")
    for _ in range(600):
        if any("comes from" in m.value for m in test.markdown):
            break
        assert not test.exception
        time.sleep(0.05)
        test.run()
    return test


@pytest.fixture(scope="module")
def found():
    session, _ = worst("reviews")
    items = group_positions(session, Group("test", ("positive",), ("negative",)))
    return session, causes_of(session, "test", items)


def test_a_cell_shows_its_causes_and_a_cause_is_left_out_and_taken_back(found):
    session, causes = found
    test = cell()
    assert not test.exception
    assert f"#### Causes of these {len(causes.push.items)} errors" in [
        m.value for m in test.markdown
    ]
    said = [m.value for m in test.markdown if "comes from" in m.value]
    assert said == [c.sentence("*negative*") for c in causes.found[:4]]
    keys = {int(k) for k in session.project.dataset.train.keys[causes.found[0].positions]}
    test.button(key="cause_1_leave").click().run()
    project = Project.open(projects_home() / "reviews")
    assert {e.key for e in decided_edits(project)[0] if e.action == "remove"} == keys
    assert any(f"Decided: {len(keys)} rows left out." == m.value for m in test.markdown)
    test.button(key="cause_1_undo").click().run()
    assert not test.exception
    assert decided_edits(project)[0] == ()


def test_all_rows_of_a_cause_get_a_label_in_one_step(found):
    session, causes = found
    labels = session.project.dataset.train.labels[causes.found[0].positions]
    to = session.classes[1 - int(np.bincount(labels).argmax())]
    test = cell()
    test.selectbox(key="cause_1_class").set_value(to).run()
    assert test.button(key="cause_verify_1").label == f"Verify with label {to}"
    test.button(key="cause_1_relabel").click().run()
    assert not test.exception
    edits = decided_edits(Project.open(projects_home() / "reviews"))[0]
    assert {e.new_label for e in edits} == {to}
    assert len(edits) == int((labels != session.classes.index(to)).sum())


def test_without_a_filter_no_causes_are_looked_for():
    test = start(project="reviews")
    assert not any("Causes of" in m.value for m in test.markdown)
