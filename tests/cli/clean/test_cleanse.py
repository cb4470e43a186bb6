import json

import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import load_cleansing
from influence_core.workflow.train.head import TrainOptions, train

run = CliRunner().invoke


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    found = project(home / "tiny", n=180)
    train(found, TrainOptions(members=2, width=32, epochs=3))
    return Project.open(found.root)


def cleanse(made, *more):
    out = run(app, ["cleanse", str(made.root), "--by", "count", "--drop", "3", *more, "--json"])
    assert out.exit_code == 0, out.output
    return json.loads(out.stdout)


@pytest.mark.parametrize("option", ["--target-split", "--judge"])
def test_the_target_split_has_its_earlier_name_too(made, option):
    told = cleanse(made, option, "test")
    assert load_cleansing(made, told["cleansing"]).target.split == "test"


def test_the_earlier_name_is_not_in_the_help(made):
    told = run(app, ["cleanse", "--help"]).output
    assert "--target-split" in told
    assert "--judge" not in told


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("decisions=0", "say --decisions instead"),
        ("decisions", "say --decisions instead"),
        ("rounds=0.1", "no rule 'rounds'"),
        ("count=inf", "a whole number of rows"),
        ("fdr=nan", "a false-discovery rate"),
        ("fdr", "is no rule"),
    ],
)
def test_rules_that_cannot_be_are_refused_before_anything_is_scanned(made, rule, sentence):
    out = run(app, ["cleanse", str(made.root), "--by", "count", "--drop", "3", "--also", rule])
    assert out.exit_code == 1
    assert sentence in out.output
    assert "scan" not in out.output
