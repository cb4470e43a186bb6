"""The Runs page without a browser."""

import time
from dataclasses import asdict

import pandas as pd
import pytest
import tiny
from errors_page import start

from influence_core.data.build import build_dataset
from influence_core.disk.atomic import write_json
from influence_core.disk.formats import stamped
from influence_core.jobs import jobs
from influence_core.store.project import Project, projects_home
from influence_core.store.slices import SavedSlice, save_slice
from influence_core.workflow.slices.saved import slices_of_runs
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.runs.compare import compare_runs
from influence_core.workflow.train.runs.compare_encoders import FILE, EncoderScore
from pages.ui.draw.numbers import percent


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


def test_saved_slices_stand_by_run_and_in_the_comparison(two_runs):
    project, old, new = two_runs
    keys = tuple(map(int, project.dataset.split("test").keys[:40]))
    save_slice(project.root, SavedSlice("first *forty*", "test", "by hand", keys))
    test = on_runs(project="reviews")
    assert not test.exception
    assert not test.error
    by_run, changed = (
        next(frame.value for frame in test.dataframe if name in frame.value)
        for name in ("slice", "saved slice")
    )
    [found] = slices_of_runs(project, [old, new])
    right = [percent(found.right[run] / 40, 1) for run in (new, old)]
    assert by_run.iloc[0].tolist() == ["first *forty*", "test", 40, *right]
    assert changed[["from", "to"]].iloc[0].tolist() == right[::-1]
    assert changed["points"].iloc[0] == pytest.approx(
        100 * (found.right[new] - found.right[old]) / 40, abs=0.05
    )


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
    assert found.broken > found.fixed
    accuracy = test.metric[2].proto
    assert accuracy.direction == accuracy.MetricDirection.DOWN  # a loss is shown as one
    assert any(found.sentence in i.value.replace("\\", "") for i in test.info)
    wrong = next(b for b in test.button if b.key and b.key.startswith("open_"))
    key = int(wrong.key.removeprefix("open_"), 16)
    assert key in set(found.changed["key"])
    data = project.dataset.split("test")
    assert data.texts([data.position(key)])[0] in [text.value for text in test.text]


def test_each_run_tells_its_own_agreement_and_no_column_stands_empty(two_runs):
    project, old, _ = two_runs
    lds = pd.DataFrame(
        [("wrong", key, "flipped-ridge", 0.1, value) for key, value in enumerate((0.8, 0.9))],
        columns=["kind", "key", "estimator", "dropped", "lds"],
    )
    project.run(old).add_table("eval-same", lds)
    table = on_runs(project="reviews").dataframe[0].value
    assert table["agreement"].tolist()[0] == "not evaluated"
    assert table["agreement"].tolist()[1].startswith("0.85 ± ")
    assert set(table["isolation"]) == {"100 %"}
    assert "note" not in table
    assert table["id"].tolist() == [record.id for record in project.runs()]


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


def test_encoders_that_were_compared_are_shown_with_which_to_use():
    start(project="reviews")  # copies the samples
    project = Project.open(projects_home() / "reviews")
    scores = [
        EncoderScore("hf:quick", 16, "test", 0.71, 0.02, 0.2, 1.2),
        EncoderScore("minilm", 384, "test", 0.93, 0.01, 0.55, 12.0),
    ]
    stored = {"fingerprint": project.fingerprint, "scores": [asdict(score) for score in scores]}
    write_json(project.root / FILE, stamped("encoders", stored))
    test = on_runs(project="reviews")
    assert not test.exception
    (table,) = [t.value for t in test.dataframe if "wrong labels found" in t.value]
    assert table["encoder"].tolist() == ["minilm", "hf:quick"]
    assert table["right on test"].tolist() == ["93.0\u00a0% ± 1.0", "71.0\u00a0% ± 2.0"]
    assert any("Use minilm" in box.value.replace("\\", "") for box in test.info)
    assert any("This project keeps minilm." in box.value for box in test.caption)
    (project.root / FILE).write_text("{", "utf-8")
    test = on_runs(project="reviews")
    assert not test.exception
    assert any(FILE in box.value.replace("\\", "") for box in test.warning)
    assert any(box.label == "Train a run" for box in test.expander)  # the rest of the page stays
