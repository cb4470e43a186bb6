"""Splits under names of the user's own, the same for every kind of source."""

import datasets
import pandas as pd
import pytest
from kinds import write
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError
from influence_core.store.project import Project, projects_home

PARTS = {"learn": 40, "check": 10, "extra": 8}
MAP = ("train=learn", "test = check")


def part(name):
    rows = range(PARTS[name])
    return pd.DataFrame(
        {"text": [f"{name} {i}" for i in rows], "label": [["a", "b"][i % 2] for i in rows]}
    )


def source(folder, how):
    if how == "hf":
        made = {name: datasets.Dataset.from_pandas(part(name)) for name in PARTS}
        datasets.DatasetDict(made).save_to_disk(str(folder / "saved"))
        return folder / "saved"
    whole = pd.concat([part(name).assign(part=name) for name in PARTS], ignore_index=True)
    return write(f"a.{how}", folder, whole)


@pytest.mark.parametrize("how", ["hf", "csv", "parquet", "jsonl", "xlsx"])
def test_splits_get_the_names_that_are_wanted(tmp_path, how):
    column = None if how == "hf" else "part"
    options = ReadOptions(splits=MAP, split_column=column, valid_share=0)
    data = read_source(source(tmp_path, how), options)
    assert {split.name: len(split) for split in data} == {"train": 40, "test": 10, "extra": 8}
    assert data.split("test").texts()[0] == "check 0"
    assert "Split 'learn' of the source is read as train." in data.source.told


def test_without_a_train_split_the_message_names_the_option(tmp_path):
    path = source(tmp_path, "hf")
    with pytest.raises(DataError, match=r"no split named 'train'.*\(--splits train=\w+\)"):
        read_source(path)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (("learn",), "renames no split"),
        (("=learn",), "renames no split"),
        (("../x=learn",), "renames no split"),
        (("train=learn", "train=check"), "another name of the same split"),
        (("train=learn", "test=learn"), "another name of the same split"),
        (("train=lern",), r"no split 'lern' to rename \(--splits\); it has \['check'"),
        (("extra=check", "train=learn"), "Two parts of the source are both called 'extra'"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, told, said):
    with pytest.raises(DataError, match=said):
        read_source(source(tmp_path, "hf"), ReadOptions(splits=told))


def test_a_file_without_splits_says_which_option_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"it names none. If a column .* \(--split\)"):
        read_source(source(tmp_path, "csv"), ReadOptions(splits=MAP))


@pytest.mark.parametrize("how", ["hf", "csv"])
def test_the_verb_takes_them_and_the_export_gives_the_source_back(tmp_path, how):
    path = source(tmp_path, how)
    asked = ["new", str(path), "--name", "films", "--splits", "train=learn,test=check"]
    done = CliRunner().invoke(app, [*asked, *([] if how == "hf" else ["--split", "part"])])
    assert done.exit_code == 0, done.output
    assert {"train", "test", "extra"} <= {*Project.open(projects_home() / "films").dataset.splits}
    out = tmp_path / f"out.{how}"
    done = CliRunner().invoke(app, ["export", "films", "--out", str(out)])
    assert done.exit_code == 0, done.output
    if how == "csv":
        assert out.read_bytes() == path.read_bytes()
        return
    back, given = datasets.load_from_disk(str(out)), datasets.load_from_disk(str(path))
    assert {name: back[name][:] for name in back} == {name: given[name][:] for name in given}
