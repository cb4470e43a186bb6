"""Groups on both sides of the source's own splits are a finding; a cut of ours has none."""

import json

import pandas as pd
import pytest
from kinds import write
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.checks.check import check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.workflow.projects.preview import inspect_source

# By row of test: five patients of whom four are in train too, one row that names none.
TEST = ["p3", "p9", "p1", "p1", "p0", "p2", None, "new"]


def frame(groups, start):
    rows = [f"text {start + i}" for i in range(len(groups))]
    return pd.DataFrame({"text": rows, "label": ["a", "b"] * (len(rows) // 2), "who": groups})


def source(folder, how):
    train = frame([f"p{i % 4}" for i in range(24)], 0)
    test = frame(TEST, 100)
    folder.mkdir(exist_ok=True)
    if how == "column":
        both = [train.assign(split="train"), test.assign(split="test")]
        pd.concat(both).to_csv(folder / "a.csv", index=False)
        return folder / "a.csv"
    for name, part in (("train", train), ("test", test)):
        write(f"a.{how}", folder, part).rename(folder / f"{name}.{how}")
    return folder


WHAT = (
    "4 groups of column 'who' stand in train and in test: 'p3', 'p1', 'p0' and 1 more "
    "(5 rows of test)."
)


@pytest.mark.parametrize("how", ["column", "csv", "parquet", "jsonl", "xlsx"])
def test_groups_on_both_sides_are_counted_and_three_are_named(tmp_path, how):
    options = ReadOptions(group_column="who", valid_share=0)
    path = source(tmp_path / "films", how)
    found = [f for f in check_dataset(read_source(path, options)) if "group" in f.what]
    assert [(f.severity, f.split, f.what) for f in found] == [("warning", "test", WHAT)]
    assert found[0].rows.tolist() == [0, 2, 3, 4, 5]
    assert ("--no-split" in found[0].advice) is (how == "column")
    seen = [p.what for p in inspect_source(str(path), options).problems]
    assert WHAT in seen


def test_the_advice_can_be_followed(tmp_path):
    path = source(tmp_path, "column")
    made = CliRunner().invoke(app, ["new", str(path), "--group", "who", "--json"])
    assert made.exit_code == 0, made.output
    assert WHAT in [f["what"] for f in json.loads(made.stdout)["findings"]]
    again = ["new", str(path), "--name", "anew", "--no-split", "--group", "who", "--json"]
    made = CliRunner().invoke(app, again)
    assert made.exit_code == 0, made.output
    assert not [f for f in json.loads(made.stdout)["findings"] if "group" in f["what"]]


def test_one_group_and_the_same_number_in_two_types(tmp_path):
    train = frame([1, 2] * 6, 0)
    test = frame([2, None, 7, 8], 100)  # floats, because one is missing
    for name, part in (("train", train), ("test", test)):
        part.to_parquet(tmp_path / f"{name}.parquet")
    found = check_dataset(read_source(tmp_path, ReadOptions(group_column="who")))
    (what,) = [f.what for f in found if "group" in f.what]
    assert what == "1 group of column 'who' stands in train and in test: '2' (1 row of test)."


@pytest.mark.parametrize("column", [None, "text", "label"])
def test_without_groups_there_is_nothing_to_say(tmp_path, column):
    path = source(tmp_path, "column")
    options = ReadOptions(group_column=column, label_column="label", content_column="text")
    found = check_dataset(read_source(path, options))
    assert not [f for f in found if "group" in f.what]


def test_a_group_column_that_is_called_like_one_of_ours(tmp_path):
    path = source(tmp_path, "column")
    pd.read_csv(path).rename(columns={"who": "key"}).to_csv(path, index=False)
    found = check_dataset(read_source(path, ReadOptions(group_column="key")))
    assert [f for f in found if f.what.startswith("4 groups of column 'key' stand")]
