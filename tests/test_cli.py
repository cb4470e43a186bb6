import csv
import json
import zipfile

import pytest
from tiny import png, sentences
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import projects_home

run = CliRunner().invoke


@pytest.fixture
def data(tmp_path):
    texts, labels = sentences(90)
    path = tmp_path / "films.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label"])
        writer.writerows(
            [i, t, "good" if y else "bad"]
            for i, (t, y) in enumerate(zip(texts, labels, strict=True))
        )
    return path


def test_from_a_csv_to_an_explanation(data):
    made = run(app, ["new", str(data), "--json"])
    assert made.exit_code == 0, made.output
    assert sorted(json.loads(made.stdout)["classes"]) == ["bad", "good"]
    trained = run(app, ["train", "films", "--members", "2", "--width", "32", "--json"])
    assert trained.exit_code == 0, trained.output
    item = json.loads(run(app, ["explain", "films", "--text", "a dull mess", "--json"]).stdout)
    assert item["predicted"] == "bad"
    assert len(item["helpful"]) == 10
    assert item["helpful"][0]["influence"] > 0
    table = run(app, ["explain", "films", "--text", "a dull mess", "--top", "2"])
    assert "Helpful (+)" in table.stdout
    assert "Harmful (−)" in table.stdout


def test_a_zip_of_pictures_becomes_a_project_and_a_hostile_one_is_one_sentence(tmp_path):
    path = tmp_path / "pets.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for i in range(20):
            opened.writestr(f"{('cat', 'dog')[i % 2]}/{i}.png", png(10 * i))
    made = run(app, ["new", str(path), "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["classes"] == ["cat", "dog"]
    assert sum(json.loads(made.stdout)["rows"].values()) == 20
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("../evil.png", png(1))
    out = run(app, ["new", str(path), "--name", "more"])
    assert out.exit_code == 1
    assert "../evil.png" in out.stderr.replace("\n", "")
    assert "Traceback" not in out.output
    assert not (projects_home() / "more").exists()


def test_a_csv_without_the_label_column_is_refused_in_one_sentence(data):
    out = run(app, ["new", str(data), "--label", "verdict"])
    assert out.exit_code == 1
    assert "verdict" in out.stderr
    assert "Traceback" not in out.output
    assert not (projects_home() / "films").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["train", "nobody"], "There is no project 'nobody'"),
        (["explain", "nobody"], "There is no project 'nobody'"),
        (["new", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_what_is_not_there_is_named(arguments, sentence):
    out = run(app, arguments)
    assert out.exit_code == 1
    assert sentence in out.stderr.replace("\n", " ")


def test_wrong_usage_ends_with_two():
    assert run(app, ["explain"]).exit_code == 2
    assert run(app, ["train", "x", "--members", "0"]).exit_code == 2


def test_an_unknown_estimator_lists_the_known_ones(data):
    run(app, ["new", str(data)])
    run(app, ["train", "films", "--members", "1", "--width", "8", "--epochs", "1"])
    out = run(app, ["explain", "films", "--text", "x", "--estimator", "magic"])
    assert out.exit_code == 1
    assert "flipped-ridge" in out.stderr
