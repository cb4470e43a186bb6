"""Features and predictions of one's own in the wizard, hub names, and paths that are refused."""

import numpy as np
import pandas as pd
import pytest
from own_project import cells
from wizard_page import ended, given, job_of, own, said, start

from influence_core.errors import DataError
from influence_core.jobs import find
from influence_core.store.project import Project, projects_home
from influence_core.workflow.projects.preview import first_look
from influence_core.workflow.projects.uploads import keep_upload
from influence_core.workflow.session import open_session
from pages.ui.projects.wizard_features import refuse_paths
from pages.ui.projects.wizard_source import ChosenSource


def test_paths_are_refused_where_others_can_reach_the_app(monkeypatch):
    monkeypatch.setenv("TURNOVER_ALLOW_PATHS", "0")
    page = start(new="1")
    assert page.segmented_control(key="wizard_way").options == [
        "Upload a file",
        "Hugging Face hub",
    ]


@pytest.mark.parametrize("name", ["../etc", "a/b/c", "/etc/passwd", ".hidden"])
def test_a_hub_name_is_no_path(name):
    page = start(new="1")
    page.segmented_control(key="wizard_way").set_value("Hugging Face hub").run()
    page.text_input(key="wizard_hub").set_value(name).run()
    assert "is not a name on the hub" in said(page)


def test_a_hub_data_set_has_a_configuration_and_a_revision():
    page = start(new="1")
    page.segmented_control(key="wizard_way").set_value("Hugging Face hub").run()
    page.text_input(key="wizard_hub").set_value("nobody/nothing-of-the-kind").run(timeout=60)
    assert {"Configuration", "Revision"} <= {field.label for field in page.text_input}
    assert "cannot be had from the hub" in said(page)


def with_features(tmp_path, features):
    source, _ = cells(tmp_path, 60)
    page = given(source)
    field = next(f for f in page.text_input if f.label.startswith("Column of lists"))
    return field.set_value(features).run()


def test_features_of_ones_own_make_a_project_of_a_table(tmp_path):
    _, features = cells(tmp_path, 60)
    page = with_features(tmp_path, str(features))
    assert not page.exception
    assert "60 rows of a table: 60 train" in said(page)
    job = job_of(page)
    assert job.state == "done"
    assert Project.open(projects_home() / "cells").settings.encoder == "own:5"


def test_features_that_do_not_fit_make_nothing_and_say_why(tmp_path):
    np.save(tmp_path / "short.npy", np.ones((3, 2)))
    page = with_features(tmp_path, str(tmp_path / "short.npy"))
    job = job_of(page)
    assert job.state == "failed"
    assert "3 rows of features" in job.message
    assert own() == set()


def test_only_columns_can_be_named_where_paths_are_refused(tmp_path, monkeypatch):
    page = with_features(tmp_path, "own.npy")
    assert "no absolute path" in page.error[0].value
    kept = keep_upload(projects_home(), "a.csv", (tmp_path / "cells.csv").read_bytes())
    monkeypatch.setenv("TURNOVER_ALLOW_PATHS", "0")
    look = first_look(str(kept))
    with pytest.raises(DataError, match="no column"):
        refuse_paths("/etc/passwd", ChosenSource(str(kept), "a.csv"), look)


def with_predictions(tmp_path, accuracy, told="train={}", known=False):
    """The wizard's page with features, and with probabilities that are right so often."""
    source, features = cells(tmp_path, 60)
    labels = pd.read_csv(source)["label"].astype("category").cat.codes.to_numpy()
    rng = np.random.default_rng(1)
    shown = np.where(rng.random(60) < accuracy, labels, (labels + 1) % 3)
    np.save(tmp_path / "oof.npy", 0.1 + 0.7 * np.eye(3)[shown])
    page = with_features(tmp_path, str(features))
    field = next(f for f in page.text_input if f.label.startswith("Paths of files"))
    page = field.set_value(told.format(tmp_path / "oof.npy")).run()
    if known:
        box = next(b for b in page.checkbox if b.label == "Those of train are out-of-sample")
        page = box.check().run()
    assert not page.exception
    return page


def shown_model(page):
    button = page.button(key="wizard_create")
    assert button.label.startswith("Show your model")
    button.click().run()
    return ended(find(projects_home(), page.query_params["making"]))


def test_predictions_of_ones_own_model_are_shown_without_a_training(tmp_path):
    job = shown_model(with_predictions(tmp_path, 0.8, known=True))
    assert job.state == "done", job.message
    project = Project.open(projects_home() / "cells")
    (run,) = project.runs()
    assert job.result == {"project": "cells", "run": run.id}
    assert run.called == "own model"
    oof = np.load(tmp_path / "oof.npy")
    train = project.dataset.train
    flipped = open_session(project, device="cpu").evidence.flipped.numpy()
    np.testing.assert_allclose(flipped, oof[train.rows], atol=1e-6)


def test_predictions_that_may_be_in_sample_make_nothing_and_say_what_to_do(tmp_path):
    job = shown_model(with_predictions(tmp_path, 1.0))
    assert job.state == "failed"
    assert "--out-of-sample" in job.message
    assert own() == set()


@pytest.mark.parametrize(
    ("told", "because"),
    [("train=oof.npy", "no absolute path"), ("oof.npy", "does not say which")],
)
def test_predictions_are_files_of_splits(tmp_path, told, because):
    page = with_predictions(tmp_path, 0.8, told)
    assert because in page.error[0].value


def test_paths_of_predictions_are_not_asked_for_where_paths_are_refused(tmp_path, monkeypatch):
    page = with_predictions(tmp_path, 0.8)
    monkeypatch.setenv("TURNOVER_ALLOW_PATHS", "0")
    page.run()
    assert not any(f.label.startswith("Paths of files") for f in page.text_input)
