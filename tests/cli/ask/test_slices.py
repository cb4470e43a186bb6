"""`turnover slices`: finds what was planted, says what is behind it, reports nothing by chance."""

import json

import pytest
from planted_slice import BAD, planted_slice
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project
from influence_core.workflow.cleanse.target_split import TargetSplit, target_positions
from influence_core.workflow.explain.groups.group import Group, group_positions
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.session import open_session
from influence_core.workflow.slices.grammar import slice_of


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return planted_slice(tmp_path_factory.mktemp("home")).root


def done(*words):
    answer = CliRunner().invoke(app, ["slices", *map(str, words)])
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_the_planted_slice_comes_first_with_its_rows_and_what_is_behind(root):
    told = json.loads(done(root, "--json"))
    first = told["slices"][0]
    assert first["name"] == f"shop={BAD}"
    assert first["beyond_chance"]
    assert first["wrong_rows"]
    assert not first["missing_rows"]
    test = Project.open(root).dataset.split("test")
    own = {f"{int(key):016x}" for key, shop in zip(test.keys, test.extra("shop"), strict=True)
           if shop == BAD}  # fmt: skip
    assert set(first["keys"]) == own
    assert first["of_split"] == len(own)
    said = " ".join(done(root).split())
    assert f"1. shop={BAD}: {' '.join(first['sentence'].split())}" in said
    assert "Wrong rows here:" in said
    assert "judged on the other half, both ways" in said


def test_only_as_many_items_are_written_as_asked_for(root):
    told = json.loads(done(root, "--json", "--top", 2))
    assert {len(one["keys"]) for one in told["slices"]} == {2}


def test_the_same_slices_list_the_items_of_another_split(root):
    train, test = (json.loads(done(root, "--json", "--split", name)) for name in ("train", "test"))
    judged = [[{k: one[k] for k in ("name", "size", "errors")} for one in told["slices"]]
              for told in (train, test)]  # fmt: skip
    assert judged[0] == judged[1]
    first = train["slices"][0]
    assert first["of_split"] == first["training_rows"] == len(first["keys"])


def test_a_slice_is_kept_measured_by_a_run_chosen_as_a_part_and_forgotten(root):
    found = json.loads(done(root, "--save", 1, "--json"))["slices"][0]
    [kept] = json.loads(done(root, "--saved", "--json"))["saved"]
    assert (kept["name"], kept["rows"]) == (found["name"], found["of_split"])
    wrong = predictions(open_session(Project.open(root), device="cpu"), "test")
    own = wrong[[f"{int(key):016x}" in found["keys"] for key in wrong["key"]]]
    assert kept["errors"] == (own["label"] != own["predicted"]).sum()
    told = f"{kept['name']}: {kept['rows']} rows of test, {kept['errors']} of {kept['rows']} wrong"
    assert told in " ".join(done(root, "--saved").split())
    session = open_session(Project.open(root), device="cpu")
    name = f"slice:{kept['name']}"
    assert len(target_positions(session, TargetSplit("test", name))) == kept["rows"]
    assert len(group_positions(session, Group("test", part=name))) == kept["errors"]
    assert not slice_of(session.project, "valid", name).any()
    again = CliRunner().invoke(app, ["slices", str(root), "--save", "1"])
    assert again.exit_code == 1
    assert "already" in again.stderr
    assert "Deleted" in done(root, "--delete", kept["name"])
    assert "No slice is saved" in done(root, "--saved")


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--save", "99"), "there is no slice 99"), (("--delete", "x"), "no saved slice 'x'")],
)
def test_a_slice_that_is_not_there_is_neither_kept_nor_forgotten(root, words, said):
    answer = CliRunner().invoke(app, ["slices", str(root), *words])
    assert answer.exit_code == 1
    assert said in " ".join(answer.stderr.split())


def test_without_a_slice_none_is_reported(tmp_path):
    told = json.loads(done(planted_slice(tmp_path, noise=0.0).root, "--json"))
    assert not any(one["beyond_chance"] for one in told["slices"])


def test_a_split_that_is_not_there_is_refused(root):
    answer = CliRunner().invoke(app, ["slices", str(root), "--split", "august"])
    assert answer.exit_code == 1
    assert "no split 'august'" in " ".join(answer.stderr.split())
