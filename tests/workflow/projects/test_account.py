"""Every record that was read is kept or named as left out, whatever the source looks like."""

import csv
import io
import tempfile
from collections import Counter
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.workflow.projects.account import account_of

DROP = ReadOptions(bad_rows="drop", id_column="")
fields = st.sampled_from(["", " ", "a", "b", "long text", "nan"])
records = st.lists(st.lists(fields, min_size=1, max_size=5), min_size=1, max_size=40)
SPLITS = st.sampled_from(["train", "validation", "test"])


def account(dataset):
    return account_of(dataset.source, {split.name: len(split) for split in dataset})


def adds_up(found, records):
    assert found.read == records
    kept = sum(found.kept.values()) + sum(found.unlabelled.values())
    assert found.read == kept + sum(out.count for out in found.left_out)
    for out in found.left_out:
        assert out.count >= 1
        assert len(out.places) == min(out.count, 3)


def good(number):
    return [f"text {number}", "ab"[number % 2]]


@given(records, st.integers(0, 8))
@example([["only"]], 4)
def test_a_csv_adds_up(rows, more):
    rows = [*rows, *map(good, range(more))]
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["text", "label"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        path.write_text(text.getvalue(), "utf-8", newline="")
        try:
            found = account(read_source(path, DROP))
        except DataError:
            return  # too few are left
    adds_up(found, len(rows))


@given(st.lists(st.tuples(st.sampled_from(["t", "u", "", None]), st.sampled_from(["a", "b", None]),
                          SPLITS), max_size=40))  # fmt: skip
def test_a_table_with_splits_adds_up_split_by_split(rows):
    rows = [("x", "a", "train"), ("y", "b", "train"), *rows]
    table = pa.table(dict(zip(("text", "label", "split"), map(list, zip(*rows, strict=True)),
                              strict=True)))  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(table, Path(folder) / "a.parquet")
        found = account(read_source(Path(folder) / "a.parquet", DROP))
    adds_up(found, len(rows))
    ours = {"train": "train", "validation": "valid", "test": "test"}
    bad = Counter(ours[split] for text, label, split in rows if not (text and label))
    labelled = {ours[split] for _, label, split in rows if label}
    for name in ours.values():
        if name != "train" and name not in labelled:
            # None of its rows has a label: those with a text are kept for prediction.
            texts = sum(bool(text) for text, _, split in rows if ours[split] == name)
            assert found.unlabelled.get(name, 0) == texts
            bad[name] -= texts
        assert sum(out.count for out in found.left_out if out.split == name) == bad[name]


def test_a_split_without_labels_is_said_to_be_kept_for_prediction(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )

    def part(labels):
        rows = {"text": [f"t{i}" for i in range(len(labels))], "label": labels}
        return datasets.Dataset.from_dict(rows, features)

    named = {"train": part([0, 1] * 20), "validation": part([0, 1] * 5), "test": part([-1] * 30)}
    datasets.DatasetDict(named).save_to_disk(tmp_path / "glue")
    found = account(read_source(tmp_path / "glue", ReadOptions(bad_rows="drop", test_share=0)))
    adds_up(found, 80)
    assert found.kept == {"train": 40, "valid": 10}
    assert found.left_out == ()
    assert found.unlabelled == {"test": 30}
    assert "kept 50 (40 train, 10 valid), 30 of test to predict, left out 0." in " ".join(
        found.sentences()
    )


def test_the_account_is_kept_with_the_project(tmp_path):
    lines = ["text,label", *(",".join(good(i)) for i in range(40)), "no label,", "one", "a,b,c,d"]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", "utf-8")
    dataset = read_source(tmp_path / "a.csv", DROP)
    made = Project.create(tmp_path / "p", "P", dataset, "minilm").header
    assert account_of(made.source, made.splits) == account(dataset)
    said = "\n".join(account_of(made.source, made.splits).sentences())
    assert "Read 43, kept 40 (" in said
    assert "left out 3." in said
    assert "it has 4 fields instead of 2 (line 44 of a.csv)" in said
    for choice in ("content text", "label label", "id none", "split none", "encoding utf-8",
                   "delimiter comma", "kind CSV"):  # fmt: skip
        assert choice in said


@pytest.mark.parametrize("count", [1, 3, 4, 200])
def test_the_first_three_are_named_and_the_others_counted(tmp_path, count):
    lines = ["text,label", *(",".join(good(i)) for i in range(10)), *["x,"] * count]
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n", "utf-8")
    said = account(read_source(tmp_path / "a.csv", DROP)).sentences()[-1]
    assert said.startswith(f"Left out {count}: {'it' if count == 1 else 'each'} has no label")
    assert said.count("line ") == min(count, 3)
    assert ("more" in said) == (count > 3)
