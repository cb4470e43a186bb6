"""Decide, then export: no cleansing is needed, and what a spreadsheet spoiled is said."""

import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.readers.hub import looks_like_hub
from influence_core.store.project import Project, projects_home
from influence_core.workflow.exchange.import_decisions import read_decisions
from influence_core.workflow.exchange.spoiled import meant

ROWS = [f"{i:04d},sentence number {i},{('1-2', '03')[i % 2]}" for i in range(30)]


def turnover(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture
def films(tmp_path):
    source = tmp_path / "Films.csv"
    source.write_text("\n".join(["id,text,label", *ROWS]) + "\n", "utf-8")
    assert turnover("new", source).exit_code == 0
    return Project.open(projects_home() / "films")


def decided(films, tmp_path, text, *options, encoding="utf-8"):
    path = tmp_path / "decisions.csv"
    path.write_bytes(text.encode(encoding))
    return turnover("decide", "Films", path, *options)


def test_without_a_decision_the_source_comes_back_to_the_byte(films, tmp_path):
    result = turnover("export", "Films", "--out", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out.csv").read_bytes() == (tmp_path / "Films.csv").read_bytes()


def test_decisions_are_exported_without_a_cleansing(films, tmp_path):
    train = films.dataset.train
    gone, new = train.ids[0], train.ids[1]
    given = films.dataset.classes[train.labels[1]]
    other = {"03": "1-2", "1-2": "03"}[given]
    text = f"id,verdict,new_label\n{gone},remove,\n{new},relabel,{other} \n{train.ids[2]},,\n"
    assert decided(films, tmp_path, text).exit_code == 0
    result = turnover("export", "Films", "--out", tmp_path / "out.csv")
    assert "2 decided rows" in result.output
    lines = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    labels = {ident: label for ident, _, label in lines}
    assert gone not in labels
    assert labels[new] == other
    assert len(labels) == 29
    assert turnover("export", "Films", "--decisions", "--round", 1, "--out", "x").exit_code == 1


def test_what_a_spreadsheet_did_is_said(films, tmp_path):
    ident, second = films.dataset.train.ids[0], films.dataset.train.ids[1]
    spoiled = decided(films, tmp_path, f"key,id,verdict\n1.23457E+15,{ident},exclude\n")
    assert spoiled.exit_code == 0
    assert f"the id '{ident}' is taken" in " ".join(spoiled.output.split())
    for line, words in (
        ("1.23457E+15,,exclude,", "made a number of the key"),
        (f",{int(ident)},exclude,", f"a spreadsheet may have made of '{ident}'"),
        (f",{second},relabel,3", "of '03'"),
        (f",{second},relabel,02-Jan", "of '1-2'"),
    ):
        refused = decided(films, tmp_path, f"key,id,verdict,new_label\n{line}\n")
        assert refused.exit_code == 1
        assert words in " ".join(refused.output.split())


def test_two_contradictory_choices_are_both_named(films, tmp_path):
    path = tmp_path / "d.csv"
    ident = films.dataset.train.ids[0]
    path.write_text(f"id,verdict\n{ident},keep\n{ident},exclude\n", "utf-8")
    (problem,) = read_decisions(films, path).problems
    assert "'exclude' here and 'keep' on line 2" in problem


def test_a_list_of_labels_is_filled_in_and_read_as_it_is(tmp_path):
    made = project(tmp_path / "home" / "tiny", n=12)
    train, path = made.dataset.train, tmp_path / "labels.csv"
    other = made.dataset.classes[1 - train.labels[0]]
    path.write_text(
        "key,id,given,suggested,verdict,new_label\n"
        f",{train.ids[0]},x,{other},relabel,\n,{train.ids[1]},x,{other},,\n",
        "utf-8",
    )
    found = read_decisions(made, path)
    assert not found.problems
    ((decision,),) = found.by_reviewer.values()
    assert (decision.verdict, decision.new_label) == ("relabel", other)


@pytest.mark.parametrize(
    ("value", "known", "found"),
    [("TRUE", "true", True), ("1", "1.0", True), ("5", "7", False), ("Mar 4", "3/4", True),
     ("dog", "cat", False)],
)  # fmt: skip
def test_what_is_known_looks_like_what_was_written(value, known, found):
    assert bool(meant(value, [known])) == found


def test_a_mistyped_path_is_asked_of_nobody(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for path in ("data/flims.csv", "data/flims", "elsewhere/flims.csv", "./flims", "../flims", "a"):
        assert not looks_like_hub(path)
    assert looks_like_hub("owner/name")
    assert looks_like_hub("owner/name-v1.1")


def test_the_encoding_and_quoting_of_decisions_can_be_told_as_the_refusal_says(films, tmp_path):
    text = "id,verdict,note\n0003,exclude,Дом\n"
    refused = decided(films, tmp_path, text, encoding="cp1251")
    assert refused.exit_code == 1
    assert "--encoding" in refused.stderr
    assert decided(films, tmp_path, text, "--encoding", "cp1251", encoding="cp1251").exit_code == 0
    open_quote = 'id,verdict,note\n"0005",exclude,"two"\n0007,exclude,"half\n'
    refused = decided(films, tmp_path, open_quote)
    assert refused.exit_code == 1
    assert "--quoting" in refused.stderr
    told = decided(films, tmp_path, open_quote.replace('"0005"', "0005"), "--quoting", "none")
    assert told.exit_code == 0, told.stderr
    assert "2 decisions written" in told.stdout
