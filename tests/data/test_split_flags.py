"""A column that says yes or no of one split is what it says, told, and never read as content."""

import pandas as pd
import pytest

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.data.splitting import flagged_split
from influence_core.errors import DataError

WORDS = {
    "bool": (True, False), "int": (1, 0), "float": (1.0, 0.0), "text": ("yes", "No"),
    "letter": ("T", "F"), "numeral": ("1", "0"), "word": (" TRUE", "false "),
}  # fmt: skip
WRITERS = {
    "a.csv": lambda frame, path: frame.to_csv(path, index=False),
    "a.parquet": lambda frame, path: frame.to_parquet(path),
    "a.jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "a.xlsx": lambda frame, path: frame.to_excel(path, index=False),
}
ONLY = {"valid_share": 0, "test_share": 0}


def films(**columns):
    frame = pd.DataFrame(
        {
            "text": [f"The camera work of film {i} was fine." for i in range(40)],
            "label": ["ab"[i % 2] for i in range(40)],
        }
    )
    return frame.assign(**{name: [value(i) for i in range(40)] for name, value in columns.items()})


def sizes(path, **options):
    data = read_source(str(path), ReadOptions(**ONLY, **options))
    return {split.name: len(split) for split in data}, data


@pytest.mark.parametrize("words", WORDS)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("is_test", {"train": 32, "test": 8}), ("test", {"train": 32, "test": 8}),
        ("isTrain", {"train": 8, "test": 32}), ("is_valid", {"train": 32, "valid": 8}),
    ],
)  # fmt: skip
def test_yes_and_no_are_splits(tmp_path, words, name, column, expected):
    yes, no = WORDS[words]
    path = tmp_path / name
    WRITERS[name](films(**{column: lambda i: yes if i % 5 == 1 else no}), path)
    for options in ({}, {"split_column": column}):
        found, data = sizes(path, **options)
        assert found == expected
        assert data.source.split_column == column
        assert any(s.startswith(f"Column {column!r} names the split: ") for s in data.source.told)
        assert data.source.content_column == "text"
    assert preview_source(str(path)).roles.split == column
    assert sizes(path, split_column="")[0] == {"train": 40}


@pytest.mark.parametrize("odd", ["", " ", "maybe", "test"])
def test_one_odd_value_is_named_and_never_trained_on(tmp_path, odd):
    films(is_test=lambda i: odd if i == 7 else str(i % 5 == 1)).to_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"Line 9 of a.csv has .* in column 'is_test'"):
        sizes(tmp_path / "a.csv")
    found, data = sizes(tmp_path / "a.csv", bad_rows="drop")
    assert found == {"train": 31, "test": 8}
    assert sum(out.count for out in data.source.left_out) == 1


def test_several_such_columns_are_refused_and_one_can_be_named(tmp_path):
    flags = {"is_train": lambda i: i % 5 != 1, "is_test": lambda i: i % 5 == 1}
    films(**flags).to_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match=r"'is_train', 'is_test'.*--split.*--no-split"):
        sizes(tmp_path / "a.csv")
    assert sizes(tmp_path / "a.csv", split_column="is_train")[0] == {"train": 32, "test": 8}


def test_what_is_valid_for_most_rows_is_rather_good_and_told(tmp_path):
    films(valid=lambda i: i % 5 != 1).to_csv(tmp_path / "a.csv")
    found, data = sizes(tmp_path / "a.csv")
    assert found == {"train": 40}
    assert any("--split valid" in sentence for sentence in data.source.told)
    assert sizes(tmp_path / "a.csv", split_column="valid")[0] == {"train": 8, "valid": 32}


def test_a_column_of_names_comes_first_and_a_label_is_no_flag(tmp_path):
    names = {"split": lambda i: "train" if i % 3 else "test", "is_test": lambda i: i % 5 == 1}
    films(**names).to_csv(tmp_path / "a.csv")
    assert sizes(tmp_path / "a.csv")[1].source.split_column == "split"
    films(test=lambda i: i % 2).to_csv(tmp_path / "b.csv")
    assert sizes(tmp_path / "b.csv", label_column="test")[1].classes == ("0", "1")


@pytest.mark.parametrize("name", ["is_good", "evaluation", "development", "latest", "contest", ""])
def test_other_names_are_no_flags(tmp_path, name):
    assert flagged_split(name) is None
