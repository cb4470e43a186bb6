"""The Runs page without a browser."""

import time

import pytest
import tiny
from errors_page import start

from influence_core.data.build import build_dataset
from influence_core.jobs import jobs
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


def test_rows_without_labels_are_predicted_by_a_job_and_handed_over():
    split = tiny.dataset(40).train
    rows = {"text": split.texts(), "label": split.labels}
    aside = {"test": {"text": split.texts([1, 2, 3]), "label": [-1] * 3}}
    built = build_dataset({"train": rows}, ["bad", "good"], unlabelled=aside)
    project = Project.create(projects_home() / "aside", "Aside", built, "minilm")
    run = train(project, TrainOptions(members=1, width=8, epochs=2, device="cpu"))
    test = on_runs(project="aside")
    assert not test.exception
    assert any("3 of test: kept for prediction" in c.value for c in test.caption)
    assert not [b for b in test.get("download_button") if "predictions" in b.proto.label]
    test.button(key="predict_go").click().run()
    deadline = time.monotonic() + 300
    while jobs(project.root)[0].active and time.monotonic() < deadline:
        time.sleep(0.5)
    (job,) = jobs(project.root)
    assert job.state == "done", job.message
    lines = (project.exports_folder / f"predictions-{run.id}.csv").read_text().splitlines()
    assert lines[0] == "split,row,id,predicted,probability"
    assert len(lines) == 4
    test.run()
    assert [b for b in test.get("download_button") if "predictions" in b.proto.label]


def test_a_project_without_such_rows_shows_no_box():
    test = on_runs(project="reviews")
    assert "predict_go" not in {b.key for b in test.button}
