"""`turnover causes`: which groups it takes, what it prints, what it refuses."""

import json

import pytest
from planted_cause import CLASSES, planted
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.workflow.explain.proof.verify_cause import kept_causes, question_of


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return planted(tmp_path_factory.mktemp("home"))[0].root


def called(*words):
    return CliRunner().invoke(app, ["causes", *map(str, words)])


def done(*words):
    answer = called(*words)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


CELL = ("--true", "cat", "--predicted", "dog")


def test_a_cell_is_explained_in_words_and_as_json(root):
    told = json.loads(done(root, *CELL, "--json"))
    assert (told["split"], told["toward"]) == ("test", "dog")
    first = told["causes"][0]
    assert len(first["strongest"]) == 5
    said = " ".join(done(root, *CELL, "--top", 2).split())
    assert f"1. {first['sentence']}" in said
    assert f"Words: {', '.join(first['words'])}" in said
    assert first["strongest"][1]["id"] in said
    assert first["strongest"][2]["id"] not in said
    rest = told["other_rows"]
    assert f"{rest['rows']} other rows pushed the remaining {100 * rest['share']:.0f} %." in said


def test_items_and_slices_choose_the_group(root):
    every = json.loads(done(root, "--right", "--json"))
    assert every["items"] == len(Project.open(root).dataset.split("test"))
    two = json.loads(done(root, "--items", "test-3, test-8", "--json"))
    assert two["items"] == 2
    kind = json.loads(done(root, "--part", "kind=6", "--json"))
    assert 0 < kind["items"] <= 8


def test_a_cause_is_verified_and_the_outcome_kept(root):
    told = json.loads(done(root, *CELL, "--json", "--verify", 1, "--top", 99))
    found, cause = told["verified"], told["causes"][0]
    assert found["changed_rows"] == cause["rows"]
    assert found["group"]["changed"]["low"] > 0
    project = Project.open(root)
    question = question_of(
        "test",
        [int(key, 16) for key in found["question"]["items"]],
        [int(row["key"], 16) for row in cause["strongest"]],
    )
    (kept,) = kept_causes(project, told["run"], question)
    assert " ".join(kept.sentence().split()) in " ".join(done(root, *CELL, "--verify", 1).split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--verify", 40), "there is no cause 40"),
        (("--fix", "cat"), "name its number with --verify"),
        (("--verify", 1, "--fix", "cow"), f"its classes are {', '.join(CLASSES)}"),
        (("--items", "nobody"), "no item with the id or key 'nobody'"),
        (("--part", "size=3"), "There is no slice 'size=3'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_words(root, words, said):
    answer = called(root, *CELL, *words)
    assert answer.exit_code == 1
    assert said in " ".join(answer.stderr.split())
