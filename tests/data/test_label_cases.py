"""Files with labels as people bring them: what is said of them, and that it can be mended."""

import label_cases
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edits import Why, make_edits

from influence_core.data.checks.check import check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError
from influence_core.store.exports.export import export

WHY = Why("flipped-ridge", who="ada", when="2026-01-31T00:00:00+00:00")


def findings(path, **options):
    dataset = read_source(path, ReadOptions(**options))
    return dataset, [f.what for f in check_dataset(dataset)]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["0", "1", "1.0", "0.0"], ["'0', '0.0'", "'1', '1.0'"]),
        (["positive", "positive\u200b", "negative"], ["'positive', 'positive\\u200b'"]),
        (["caf\u00e9", "cafe\u0301", "bar"], ["'cafe\\u0301', 'caf\\xe9'"]),
        (["paypal", "p\u0430ypal", "cash"], ["'paypal', 'p\\u0430ypal'"]),
        (["True", "1", "False", "0"], ["'0', 'False'", "'1', 'True'"]),
        (["spam", "spam.", "ham"], ["'spam', 'spam.'"]),
    ],
)
def test_two_spellings_are_told_and_joined_and_the_export_keeps_them(tmp_path, names, said):
    path = label_cases.write(tmp_path / "d.csv", label_cases.cycled(names))
    dataset, found = findings(path)
    assert sorted(found) == sorted(f"These may be one class: {pair}." for pair in said)
    dataset, found = findings(path, join=("alike",))
    assert found == []
    assert len(dataset.classes) == len(names) - len(said)
    assert export(dataset, [], tmp_path / "same.csv") is not None
    assert (tmp_path / "same.csv").read_bytes() == path.read_bytes()
    key = int(dataset.train.keys[0])
    other = next(c for c in dataset.classes if c != dataset.classes[dataset.train.labels[0]])
    export(dataset, make_edits(dataset, {key: other}, WHY), tmp_path / "one.csv")
    before, after = (p.read_text("utf-8").split("\n") for p in (path, tmp_path / "one.csv"))
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1


def test_a_joined_row_can_be_relabelled_in_the_spelling_of_its_class(tmp_path):
    path = label_cases.write(tmp_path / "d.csv", label_cases.cycled(["a", "b", "B"], 30))
    dataset = read_source(path, ReadOptions(join=("b=B",)))
    spelled = int(np.flatnonzero(dataset.train.rows % 3 == 2)[0])
    assert dataset.classes == ("a", "b")
    edits = make_edits(dataset, {int(dataset.train.keys[spelled]): "a"}, WHY)
    export(dataset, edits, tmp_path / "out.csv")
    assert edits[0].old_label == "b"


def test_joining_and_leaving_out_work_in_parquet_and_with_declared_names(tmp_path):
    labels = pa.array(label_cases.cycled(["x", "X", "y", "N/A"], 40))
    texts = pa.array([f"t{i}" for i in range(40)])
    pq.write_table(pa.table({"text": texts, "label": labels}), tmp_path / "d.parquet")
    options = ReadOptions(
        join=("x=X",), leave_out=("missing",), classes=("y", "x", "X", "N/A"), test_share=0
    )
    dataset = read_source(tmp_path / "d.parquet", options)
    assert dataset.classes == ("y", "x")
    assert sum(len(split) for split in dataset) == 30
    where = np.flatnonzero(dataset.train.rows % 4 == 1)[:1]
    edits = make_edits(dataset, {int(dataset.train.keys[where[0]]): "y"}, WHY)
    export(dataset, edits, tmp_path / "out.parquet")
    written = pq.read_table(tmp_path / "out.parquet")["label"].to_pylist()
    expected = labels.to_pylist()
    expected[int(dataset.train.rows[where[0]])] = "y"
    assert written == expected


@pytest.mark.parametrize("word", ["nan", "NULL", "#N/A", "-", "None"])
def test_a_word_for_missing_is_kept_told_and_left_out_when_wanted(tmp_path, word):
    path = label_cases.write(tmp_path / "d.csv", label_cases.cycled(["pos", "neg", word]))
    dataset, found = findings(path, valid_share=0, test_share=0)
    assert word in dataset.classes
    assert f"Class {word!r} (20 rows of train) reads like a missing label." in found
    dataset, found = findings(path, leave_out=("missing",))
    assert dataset.classes == ("neg", "pos") and found == []
    assert sum(len(split) for split in dataset) == 40
    export(dataset, [], tmp_path / "same.csv")
    assert (tmp_path / "same.csv").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("pattern", ["{}|{}", "{};{}", "{}, {}", '["{}", "{}"]', "['{}' '{}']"])
def test_several_labels_a_row_are_told_with_what_to_do(tmp_path, pattern):
    topics = ("acting", "look", "music", "pace")
    single = '["{}"]' if pattern.startswith("[") else "{}"
    names = [single.format(t) for t in topics]
    names += [pattern.format(a, b) for a in topics for b in topics if a != b]
    path = label_cases.write(tmp_path / "d.csv", label_cases.cycled(names, 160))
    _, found = findings(path, label_column="label")
    assert found[0].startswith("The labels look like several labels a row: 12 classes such as")
    dataset, found = findings(path, join=("first",))
    assert dataset.classes == topics and found == []


def test_more_combinations_than_rows_to_learn_from_are_told_too(tmp_path):
    words = "abcdefgh"
    names = [
        f"{a}|{b}|{c}" for a in words for b in words for c in words if a < b and c not in a + b
    ]
    path = label_cases.write(tmp_path / "d.csv", names)
    with pytest.raises(DataError, match=r"several labels a row.*--join first"):
        read_source(path, ReadOptions())
    assert len(read_source(path, ReadOptions(join=("first",))).classes) == 7


def test_one_column_a_label_is_told_with_the_option_for_one_of_them(tmp_path):
    bits = [[i >> b & 1 for b in range(3)] for i in range(64)]
    rows = "".join(f"film {i},{','.join(map(str, bit))}\n" for i, bit in enumerate(bits))
    (tmp_path / "d.csv").write_text("text,plot,acting,look\n" + rows)
    with pytest.raises(DataError, match=r"one column a label.*--label plot"):
        read_source(tmp_path / "d.csv", ReadOptions())
    assert read_source(tmp_path / "d.csv", ReadOptions(label_column="look")).classes == ("0", "1")


def test_a_column_of_lists_is_told(tmp_path):
    table = pa.table({"text": ["a", "b"] * 5, "label": [["x"], ["x", "y"]] * 5})
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(DataError, match="several labels a row"):
        read_source(tmp_path / "d.parquet", ReadOptions())


@pytest.mark.parametrize(("classes", "rows"), [(500, 600), (300, 300), (40, 45)])
def test_many_classes_of_a_named_column_are_believed_with_one_line_about_them(
    tmp_path, classes, rows
):
    path = label_cases.write(tmp_path / "d.csv", label_cases.many_classes(classes, rows))
    dataset, found = findings(path, label_column="label")
    assert len(dataset.classes) == classes
    assert set(dataset.train.labels.tolist()) == set(range(classes))
    assert len([what for what in found if "fewer than 5 rows" in what]) == 1
    gone = [name for name in ("valid", "test") if name not in dataset.splits]
    assert [what for what in found if what.startswith("There is no split")] == [
        f"There is no split {name!r}." for name in gone
    ]
    assert (not gone) == (rows > classes)


def test_a_guessed_column_of_many_values_is_refused_with_the_option_that_says_so(tmp_path):
    path = label_cases.write(tmp_path / "d.csv", label_cases.many_classes())
    with pytest.raises(DataError, match="--label 'label'"):
        read_source(path, ReadOptions())


@pytest.mark.parametrize(
    "change",
    [
        lambda text: f"  {text.replace(' ', '  ')} ",
        str.upper,
        lambda text: text.rstrip(".") + "!",
        lambda text: text.replace(" ", "\u00a0"),
        lambda text: text.replace("film", "f\u200bilm"),
    ],
)
def test_copies_that_differ_in_blanks_case_or_marks_are_leakage_and_copies(tmp_path, change):
    texts = [f"The film number {i} was seen." for i in range(40)]
    both = [*texts, *map(change, texts[:10]), *map(change, texts[10:15])]
    labels = [*label_cases.cycled(["a", "b"], 40), *label_cases.cycled(["a", "b"], 10), *"bbbbb"]
    split = ["train"] * 40 + ["test"] * 10 + ["train"] * 5
    path = label_cases.write(tmp_path / "d.csv", labels, both, split=split)
    said = " ".join(findings(path, valid_share=0)[1])
    apart = ", apart from case, blanks or punctuation"
    assert f"10 rows of test have the same content as a row of train{apart}." in said
    assert f"6 rows of train have a copy with a different label{apart}." in said
    assert f"4 rows of train have a copy with the same label{apart}." in said


def test_signs_that_mean_something_make_no_copies(tmp_path):
    texts = ["😀", "😢", "C+", "C", "??", "!!", "a1", "a2", "दिन", "दान"] + [
        f"t{i}" for i in range(30)
    ]
    path = label_cases.write(tmp_path / "d.csv", label_cases.cycled(["a", "b"], 40), texts)
    assert findings(path)[1] == []
