"""`turnover new --train`: data to a run in one line, what may follow, and pictures offline."""

import pytest
from tiny import png, sentences
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.disk.names import projects_home
from influence_core.store.project import Project
from influence_core.workflow.explain.map import read_map

SMALL = '{"members": 2, "width": 16, "epochs": 2}'


def turnover(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def films(tmp_path):
    texts, labels = sentences(60)
    lines = [f"{text},{'bad' if y else 'good'}" for text, y in zip(texts, labels, strict=True)]
    (tmp_path / "films.csv").write_text("\n".join(["text,label", *lines]))
    return tmp_path / "films.csv"


def test_a_file_becomes_a_run_and_its_map_in_one_line(films):
    done = turnover("new", films, "--train", "--training", SMALL, "--then", "map")
    assert done.exit_code == 0, done.output
    made = Project.open(projects_home() / "films")
    config = made.latest_run().record.config
    assert (config["head"]["members"], config["training"]["epochs"]) == (2, 2)
    assert len(read_map(made)) == made.header.splits["train"]


@pytest.mark.parametrize(
    "wrong",
    [("--then", "map"), ("--train", "--then", "dance"), ("--train", "--training", "{")],
)
def test_wrong_usage_makes_nothing(films, wrong):
    assert turnover("new", films, *wrong).exit_code == 2
    assert not (projects_home() / "films").exists()


def test_pictures_are_trained_on_with_nothing_from_the_network(tmp_path):
    for name, shade in (("cat", 40), ("dog", 200)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "pets" / name / f"{i}.png").write_bytes(png(shade + i, (24, 24)))
    pets = tmp_path / "pets"
    done = turnover("new", pets, "--encoder", "small", "--train", "--training", SMALL)
    assert done.exit_code == 0, done.output
    made = Project.open(projects_home() / "pets")
    assert made.settings.encoder == "vgg:encoder.safetensors"
    assert (made.root / "encoder.safetensors").is_file()
    assert made.latest_run().record.metrics["test_accuracy"] == 1.0  # black from white


def test_the_small_network_reads_no_sentences(films):
    done = turnover("new", films, "--encoder", "small")
    assert done.exit_code == 1
    assert "encodes images, and this data holds sentences" in " ".join(done.output.split())
    assert not (projects_home() / "films").exists()
