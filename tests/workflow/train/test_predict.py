"""Rows that came without labels: predicted by a run, learned from by none."""

import json

import numpy as np
import pandas as pd
import pytest
import tiny
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.models.text import TextEncoder
from influence_core.store.project import Project, projects_home
from influence_core.workflow.explain.items import own_item
from influence_core.workflow.session import open_session
from influence_core.workflow.train.predict import predict

ROWS = 60


def turnover(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def source(folder, unlabelled=True):
    """A CSV with a test split that lacks its labels, and these labels."""
    split = tiny.dataset(ROWS).train
    labels = [["bad", "good"][label] for label in split.labels]
    frame = pd.DataFrame({"text": split.texts(), "label": labels, "split": "train"})
    test = frame.iloc[: ROWS // 3].assign(split="test", label=None)
    test["text"] += " indeed"
    frame = pd.concat([frame, test]) if unlabelled else frame
    folder.mkdir(exist_ok=True)
    frame.to_csv(folder / "films.csv", index=False)
    return folder / "films.csv", labels[: ROWS // 3]


@pytest.fixture
def films(tmp_path):
    path, labels = source(tmp_path)
    made = turnover("new", path, "--test-share", "0")
    assert made.exit_code == 0, made.output
    assert "Split test: 20 rows without labels, kept for prediction" in made.output
    assert turnover("train", "films", "--epochs", 60, "--members", 2, "--width", 16).exit_code == 0
    return Project.open(projects_home() / "films"), labels


def test_the_verb_writes_class_and_probability(films, tmp_path):
    _, labels = films
    out = tmp_path / "a" / "predictions.csv"
    done = turnover("predict", "films", "--out", out, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["rows"] == {"test": 20}
    table = pd.read_csv(out)
    assert [*table] == ["split", "row", "id", "predicted", "probability"]
    assert table["row"].tolist() == [*range(ROWS + 1, ROWS + 21)]
    assert (table["predicted"] == labels).mean() > 0.8
    assert table["probability"].between(0.5, 1).all()
    again = turnover("predict", "films", "--out", out)
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    assert turnover("predict", "films", "--out", out, "--overwrite").exit_code == 0
    parquet = out.with_suffix(".parquet")
    assert turnover("predict", "films", "--out", parquet, "--split", "test").exit_code == 0
    assert pd.read_parquet(parquet)["predicted"].tolist() == table["predicted"].tolist()


def test_each_row_is_predicted_like_an_item_of_ones_own(films):
    project, _ = films
    session = open_session(project)
    table = predict(session)
    rows = project.dataset.unlabelled["test"]
    for i in (0, 7, 19):
        proba = own_item(session, rows.texts([i])[0]).proba
        assert project.dataset.classes[int(proba.argmax())] == table["predicted"][i]
        assert float(proba.max()) == pytest.approx(table["probability"][i], abs=2e-3)


def test_features_are_made_once(films, monkeypatch):
    project, _ = films
    first = predict(open_session(project))

    def never(self, items):
        raise AssertionError("encoded again")

    monkeypatch.setattr(TextEncoder, "encode", never)
    pd.testing.assert_frame_equal(predict(open_session(project)), first)


def test_a_run_is_the_same_with_and_without_them(films, tmp_path):
    with_them = films[0].latest_run().tensors()
    path, _ = source(tmp_path / "alone", unlabelled=False)
    made = turnover("new", path, "--name", "alone", "--test-share", "0", "--label", "label")
    assert made.exit_code == 0, made.output
    assert turnover("train", "alone", "--epochs", 60, "--members", 2, "--width", 16).exit_code == 0
    alone = Project.open(projects_home() / "alone")
    assert alone.fingerprint == films[0].fingerprint
    for name, value in alone.latest_run().tensors().items():
        np.testing.assert_array_equal(value.numpy(), with_them[name].numpy())


def test_no_list_of_splits_knows_them(films):
    listed = turnover("explain", "films", "--split", "test")
    assert listed.exit_code == 1
    assert "There is no split 'test'" in listed.output
    assert not films[0].latest_run().has_table("pred-test")


def test_a_whole_network_predicts_them_too(tmp_path):
    path, _ = source(tmp_path)
    assert turnover("new", path, "--test-share", "0").exit_code == 0
    project = Project.open(projects_home() / "films")
    tiny.encoder(project.root / "encoder")
    trained = turnover("train", "films", "--mode", "finetune", "--encoder", "hf:encoder",
                       "--epochs", 1)  # fmt: skip
    assert trained.exit_code == 0, trained.output
    session = open_session(project)
    table = predict(session)
    assert len(table) == 20
    proba = own_item(session, project.dataset.unlabelled["test"].texts([3])[0]).proba
    assert float(proba.max()) == pytest.approx(table["probability"][3], abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "a.txt"], "ends in none of .csv, .parquet"),
        (["--out", "a.csv", "--split", "valid"], "no split 'valid' without labels; there is test"),
        (["--out", "a.csv", "--run", "no"], "has no run 'no'"),
    ],
)
def test_what_cannot_be_is_one_sentence(films, arguments, said):
    done = turnover("predict", "films", *arguments)
    assert done.exit_code == 1
    assert said in " ".join(done.output.split())


def test_a_project_without_such_rows_says_how_to_get_some(tmp_path):
    tiny.project(projects_home() / "tiny", 40)
    assert turnover("train", "tiny", "--epochs", 1, "--members", 1, "--width", 8).exit_code == 0
    done = turnover("predict", "tiny", "--out", tmp_path / "a.csv")
    assert done.exit_code == 1
    assert "keeps no rows without labels" in done.output
