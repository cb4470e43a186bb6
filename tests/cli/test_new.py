"""The verb new: every option reaches the reader, and what contradicts is refused."""

import json
from dataclasses import asdict, fields

import pytest
from commands import command, options_of
from text_cases import spoken
from tiny import png
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.options import ReadOptions
from influence_core.store.project import Project, projects_home

ROWS = [(f"sentence {i}", f"more {i}", i % 2, f"patient {i // 4}") for i in range(60)]


def new(*arguments):
    return CliRunner().invoke(app, ["new", *map(str, arguments)])


def made(*arguments):
    result = new(*arguments)
    assert result.exit_code == 0, result.output
    (project,) = projects_home().iterdir()
    return Project.open(project).dataset


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.csv"
    lines = [",".join(map(str, row)) for row in ROWS]
    path.write_text("\n".join(["premise,hypothesis,label,who", *lines]) + "\n", "utf-8")
    return path


def test_every_field_of_the_options_is_filled_by_an_option_of_its_name():
    parameters = {parameter.name for parameter in command("new").params}
    assert {field.name for field in fields(ReadOptions)} - parameters == {
        "bad_rows", "modality", "seed"
    }  # fmt: skip
    assert "--drop-bad" in options_of("new")


def test_several_columns_are_one_text_and_stay_columns(pairs):
    train = made(pairs, "--content", "premise,hypothesis", "--label", "label").train
    first = train.texts()[0]
    assert first.split("\n")[0].replace("sentence", "more") == first.split("\n")[1]
    assert {"premise", "hypothesis", "who"} <= set(train.extra_columns)


def test_new_and_encode_say_that_the_encoder_does_not_know_the_letters(tmp_path):
    rows = [f"{text} {i};{label}" for i, (text, label) in enumerate(spoken("he", 40))]
    (tmp_path / "d.csv").write_text("\n".join(["text;label", *rows]), "utf-8")
    for words in (["new", tmp_path / "d.csv"], ["encode", "d"]):
        told = CliRunner().invoke(app, [*map(str, words), "--json"])
        assert told.exit_code == 0, told.output
        found = [f for f in json.loads(told.stdout)["findings"] if "hardly knows" in f["what"]]
        assert {f["severity"] for f in found} == {"warning"}
        assert all("--encoder st:" in f["advice"] for f in found)
    plain = CliRunner().invoke(app, ["encode", "d"])
    assert "warning: About 100% of the texts of train are in letters" in plain.output


def test_labels_that_are_numbers_get_names(pairs, tmp_path):
    (tmp_path / "names.txt").write_text("neutral\n\nentailment\n", "utf-8")
    names = ("--classes", tmp_path / "names.txt")
    dataset = made(pairs, "--content", "premise", "--label", "label", *names)
    assert dataset.classes == ("neutral", "entailment")
    for split in dataset:
        for row, label in zip(split.rows, split.labels, strict=True):
            assert label == ROWS[row][2]


def test_a_group_stays_on_one_side(pairs):
    options = ("--content", "premise", "--label", "label", "--group", "who")
    dataset = made(pairs, *options)
    groups = [set(split.extra("who")) for split in dataset]
    assert len(groups) == 3
    assert sum(map(len, groups)) == len(set.union(*groups)) == 15


def test_pictures_lie_where_the_user_says(tmp_path):
    lines = ["image,label"]
    (tmp_path / "pictures").mkdir()
    for i in range(20):
        (tmp_path / "pictures" / f"{i}.png").write_bytes(png(i * 12))
        lines.append(f"{i}.png,{'ab'[i % 2]}")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n", "utf-8")
    refused = new(tmp_path / "list.csv")
    assert refused.exit_code == 1
    assert new(tmp_path / "list.csv", "--image-root", tmp_path / "nowhere").exit_code == 1
    dataset = made(tmp_path / "list.csv", "--image-root", tmp_path / "pictures")
    assert sum(len(split) for split in dataset) == 20


def test_ids_and_splits_can_be_left_unused(tmp_path):
    path = tmp_path / "twice.csv"
    lines = [f"{i // 2},text {i},{'ab'[i % 2]},{('train', 'test')[i % 2]}" for i in range(40)]
    path.write_text("\n".join(["id,text,label,split", *lines]) + "\n", "utf-8")
    assert new(path, "--no-id", "--id", "id").exit_code == 2
    dataset = made(path, "--no-id", "--no-split", "--valid-share", "0", "--test-share", "0")
    assert dataset.source.id_column is dataset.source.split_column is None
    assert list(dataset.splits) == ["train"]


def test_what_the_wizard_gives_is_what_options_give(pairs):
    told = ReadOptions(
        label_column="label", content_column="premise", classes=("no", "yes"), bad_rows="drop",
        delimiter=",", encoding="utf-8", valid_share=0.3, id_column="", group_column="who",
    )  # fmt: skip
    source = made(pairs, f"--options={json.dumps(asdict(told))}").source
    assert ReadOptions.of(source.options) == told
    assert new(pairs, '--options={"colour": 1}').exit_code == 1
    assert new(pairs, "--options={").exit_code == 2


@pytest.mark.parametrize("names", [None, b"one\n", b"\xff\xfe\x00"])
def test_class_names_that_cannot_be_are_refused(pairs, tmp_path, names):
    if names is not None:
        (tmp_path / "names.txt").write_bytes(names)
    result = new(pairs, "--label", "label", "--classes", tmp_path / "names.txt")
    assert result.exit_code == 1
    assert "names.txt" in result.output
