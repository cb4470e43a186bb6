"""A split without labels is kept for prediction and told; it is not a heap of bad rows."""

import datasets
import pandas as pd
import pytest
from kinds import write

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.projects.account import account_of

TEXTS = [f"a film of {i}" for i in range(40)]
LABELS = [i % 2 for i in range(40)]


def saved(path, test, feature=None, train=LABELS):
    feature = feature or datasets.ClassLabel(names=["neg", "pos"])
    kinds = datasets.Features({"text": datasets.Value("string"), "label": feature})
    parts = {"test": (TEXTS[:20], test), "train": (TEXTS, train)}
    made = {
        name: datasets.Dataset.from_dict({"text": texts, "label": labels}, features=kinds)
        for name, (texts, labels) in parts.items()
    }
    datasets.DatasetDict(made).save_to_disk(str(path))
    return path


def check(data, options, rows=20):
    stands_in = options.test_share > 0
    assert ("test" in data.splits) is stands_in
    assert data.classes in (("neg", "pos"), ("0", "1"))
    assert data.source.left_out == ()
    kept = data.unlabelled["test"]
    assert kept.texts() == TEXTS[:rows] or kept.texts() == TEXTS[20 : 20 + rows]
    assert set(kept.labels) == {-1}
    account = account_of(data.source, {split.name: len(split) for split in data})
    assert account.unlabelled == {"test": rows}
    assert account.read == sum(account.kept.values()) + rows
    said = " ".join(account.sentences())
    assert f"Split test: {rows} rows without labels, kept for prediction" in said
    assert ("stands in as test (--test-share 0 for none)" in said) is stands_in


@pytest.mark.parametrize("share", [0, 0.15])
@pytest.mark.parametrize("bad_rows", ["refuse", "drop", "keep"])
def test_a_saved_split_of_minus_ones(tmp_path, bad_rows, share):
    options = ReadOptions(bad_rows=bad_rows, valid_share=0, test_share=share)
    check(read_source(saved(tmp_path / "glue", [-1] * 20), options), options)


@pytest.mark.parametrize("test", [[-1] * 20, [None] * 20, [-1, None] * 10])
def test_plain_numbers(tmp_path, test):
    options = ReadOptions(valid_share=0, test_share=0)
    check(read_source(saved(tmp_path / "glue", test, datasets.Value("int64")), options), options)


def test_minus_one_is_a_class_where_it_is_trained_on(tmp_path):
    path = saved(tmp_path / "signs", [-1] * 20, datasets.Value("int64"), [-1, 1] * 20)
    data = read_source(path, ReadOptions(valid_share=0))
    assert data.classes == ("-1", "1")
    assert len(data.split("test")) == 20
    assert data.source.left_out == ()


@pytest.mark.parametrize("column", ["empty", "missing"])
@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl", "xlsx", "feather"])
def test_files_of_a_folder(tmp_path, suffix, column):
    frame = pd.DataFrame({"text": TEXTS, "label": [["neg", "pos"][i] for i in LABELS]})
    folder = tmp_path / "films"
    folder.mkdir()
    write(f"a.{suffix}", folder, frame).rename(folder / f"train.{suffix}")
    test = frame[:20].assign(label=None) if column == "empty" else frame[["text"]][:20]
    write(f"a.{suffix}", folder, test).rename(folder / f"test.{suffix}")
    options = ReadOptions(valid_share=0)
    check(read_source(folder, options), options)
    assert preview_source(folder).problem == ""
    named = {"test": folder / f"test.{suffix}", "train": folder / f"train.{suffix}"}
    check(read_source(named, options), options)


def test_rows_of_a_split_column(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "label": ["neg", "pos"] * 10 + [None] * 20})
    frame["split"] = ["train"] * 20 + ["test"] * 20
    frame.to_csv(tmp_path / "a.csv", index=False)
    options = ReadOptions(valid_share=0, test_share=0)
    check(read_source(tmp_path / "a.csv", options), options)


def test_what_nothing_can_predict_is_left_out_and_counted(tmp_path):
    frame = pd.DataFrame({"text": TEXTS, "label": ["neg", "pos"] * 10 + [None] * 20})
    frame["split"] = ["train"] * 20 + ["test"] * 20
    frame.loc[[25, 30], "text"] = " "
    frame.to_csv(tmp_path / "a.csv", index=False)
    data = read_source(tmp_path / "a.csv", ReadOptions(valid_share=0, test_share=0))
    assert len(data.unlabelled["test"]) == 18
    (out,) = data.source.left_out
    assert (out.count, out.split) == (2, "test")
    assert out.why == "has an empty text in column 'text'"
    assert out.places == ("line 27 of a.csv", "line 32 of a.csv")


def test_nothing_that_a_run_depends_on_knows_them(tmp_path):
    options = ReadOptions(valid_share=0, test_share=0.15)
    data = read_source(saved(tmp_path / "with", [-1] * 20), options)
    frame = pd.DataFrame({"text": TEXTS, "label": [["neg", "pos"][i] for i in LABELS]})
    frame.to_csv(tmp_path / "a.csv", index=False)
    alone = read_source(tmp_path / "a.csv", options)
    assert data.fingerprint == alone.fingerprint
    assert [split.name for split in data] == ["train", "test"]


def test_they_stay_with_the_project(tmp_path):
    data = read_source(saved(tmp_path / "glue", [-1] * 20), ReadOptions())
    opened = Project.create(tmp_path / "p", "P", data, "minilm").dataset
    assert opened.unlabelled["test"].table.equals(data.unlabelled["test"].table)
    assert opened.source.unlabelled == {"test": 20}
    (tmp_path / "p" / "data" / "unlabelled" / "test.parquet").unlink()
    with pytest.raises(StoreError, match=r"unlabelled/test.parquet is missing"):
        Project.open(tmp_path / "p").dataset  # noqa: B018


def test_a_row_without_a_label_among_others_is_a_bad_row(tmp_path):
    with pytest.raises(DataError, match=r"Row 1 of split 'test' .* has no label"):
        read_source(saved(tmp_path / "some", [-1, 1] * 10))
