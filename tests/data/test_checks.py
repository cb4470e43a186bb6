import threading

import pytest
from tiny import png

from influence_core.data.build import build_dataset
from influence_core.data.checks.check import check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import CancelledError


def _texts(count, start=0):
    return {"text": [f"t{i}" for i in range(start, start + count)], "label": [0, 1] * (count // 2)}


def _dataset(train, classes=("no", "yes"), **others):
    splits = {"valid": _texts(4, 100), "test": _texts(4, 200)} | others
    return build_dataset({"train": train} | splits, classes)


def _found(dataset):
    """Findings as (severity, split, rows) by the sentence they say."""
    return {f.what: (f.severity, f.split, f.rows.tolist()) for f in check_dataset(dataset)}


def test_a_sound_data_set_has_no_findings():
    assert _found(_dataset(_texts(20))) == {}


def test_missing_labels_and_empty_texts_are_errors():
    train = _texts(20)
    train["label"][3] = -1
    train["text"][5] = " \t"
    assert _found(_dataset(train)) == {
        "1 row of train has no label.": ("error", "train", [3]),
        "1 row of train has an empty text.": ("error", "train", [5]),
    }


def test_copies_are_told_apart_by_their_labels():
    train = {"text": ["a", "b", "a", "b", "c"] * 5, "label": ([0, 1, 0, 0, 1] * 5)}
    train["text"] = [f"{t}{i // 5}" for i, t in enumerate(train["text"])]
    found = _found(_dataset(train))
    agree = [i for i in range(25) if i % 5 in (0, 2)]
    differ = [i for i in range(25) if i % 5 in (1, 3)]
    assert found == {
        "10 rows of train have a copy with a different label.": ("warning", "train", differ),
        "10 rows of train have an exact copy with the same label.": ("note", "train", agree),
    }


def test_leakage_into_the_rows_that_judge_is_found():
    found = _found(_dataset(_texts(20), test=_texts(6, 16)))
    assert found == {
        "4 rows of test have the same content as a row of train.": ("warning", "test", [0, 1, 2, 3])
    }


def test_one_class_only_and_rare_classes_are_found():
    train = {"text": [f"t{i}" for i in range(9)], "label": [0] * 9}
    found = _found(_dataset(train))
    assert found["The training rows have only the class 'no'."][0] == "error"
    assert found["Class 'yes' has 0 rows in train."] == ("warning", "train", [])
    train["label"][4] = 1
    assert _found(_dataset(train)) == {"Class 'yes' has 1 row in train.": ("warning", "train", [4])}


def test_class_names_that_differ_in_blanks_or_case_are_found():
    train = {"text": [f"t{i}" for i in range(20)], "label": [0, 1, 2, 3] * 5}
    found = _found(_dataset(train, ("Pos", "pos ", "neg", "odd ")))
    assert list(found) == [
        "These may be one class: 'Pos', 'pos '.",
        "The class name 'odd ' has blanks at its start or end.",
    ]


def test_repeated_ids_are_found_in_a_source_read_to_be_looked_at(tmp_path):
    rows = "".join(f"{i % 11},t{i},{'ab'[i % 2]}\n" for i in range(12))
    (tmp_path / "d.csv").write_text("id,text,label\n" + rows)
    options = ReadOptions(bad_rows="keep", valid_share=0, test_share=0)
    found = _found(read_source(tmp_path / "d.csv", options))
    sentence = "2 rows of train have an id that stands twice, such as '0'."
    assert found[sentence] == ("error", "train", [0, 11])
    assert found["There is no split 'test'."][0] == "warning"


def _pictures(count=12):
    return {"image": [png(i) for i in range(count)], "label": [0, 1] * (count // 2)}


def test_unreadable_pictures_are_found_unless_they_are_not_to_be_opened():
    train = _pictures()
    train["image"][7] = b"broken"
    dataset = build_dataset({"train": train, "valid": train, "test": _pictures()}, ["x", "y"])
    broken = [f for f in check_dataset(dataset) if "readable picture" in f.what]
    assert [(f.split, f.rows.tolist()) for f in broken] == [("train", [7]), ("valid", [7])]
    assert not any("picture" in f.what for f in check_dataset(dataset, images=False))


def test_checking_pictures_can_be_watched_and_stopped():
    dataset = build_dataset({"train": _pictures()}, ["x", "y"])
    seen = []
    check_dataset(dataset, progress=seen.append)
    assert [(event.done, event.total) for event in seen] == [(12, 12)]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        check_dataset(dataset, cancel=cancel)


def test_the_worst_stands_first():
    train = _texts(20)
    train["label"][3] = -1
    train["text"][1] = train["text"][5]
    severities = [f.severity for f in check_dataset(_dataset(train, test=_texts(6, 16)))]
    assert severities == ["error", "warning", "note"]
