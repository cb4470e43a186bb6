"""The Runs page without a browser."""

import pytest
from errors_page import start

from influence_core.store.project import Project, projects_home
from influence_core.workflow.train.compare_runs import compare_runs
from influence_core.workflow.train.head import TrainOptions, train


def on_runs(**switches):
    test = start(**switches)
    return test.switch_page("pages/runs.py").run()


@pytest.fixture
def two_runs():
    start(project="reviews")  # copies the samples
    project = Project.open(projects_home() / "reviews")
    old = project.latest_run().id
    return project, old, train(project, TrainOptions(members=1, width=8, epochs=1)).id


def test_one_run_is_shown_with_its_curves_and_no_comparison():
    test = on_runs(project="reviews")
    assert not test.exception
    assert not test.error
    table = test.dataframe[0].value
    assert table["test"].tolist() == ["78.0\u00a0%"]
    assert any("With a second run" in c.value for c in test.caption)


def test_two_runs_are_compared_with_counts_and_words(two_runs):
    project, old, new = two_runs
    test = on_runs(project="reviews")
    assert not test.exception
    assert not test.error
    assert test.selectbox(key="compare_first").value == old
    assert test.selectbox(key="compare_second").value == new
    found = compare_runs(project, old, new, "test")
    values = [metric.value for metric in test.metric]
    assert values[:2] == [f"{found.fixed:,}", f"{found.broken:,}"]
    assert any(found.sentence in i.value.replace("\\", "") for i in test.info)
    wrong = next(b for b in test.button if b.key and b.key.startswith("open_"))
    assert int(wrong.key.removeprefix("open_"), 16) in set(found.changed["key"])
