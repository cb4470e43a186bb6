"""What the wizard sees before anything is made: columns, balance, findings, and clear refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from tiny import png, sentences

from influence_core.data.options import ReadOptions
from influence_core.errors import DataError
from influence_core.workflow.projects.preview import TEXT_SHOWN, first_look, inspect_source

COLUMNS = ReadOptions(label_column="label", content_column="text")


def csv(tmp_path, rows, name="data.csv", columns=("text", "label")):
    path = tmp_path / name
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return str(path)


def rows(n=40):
    texts, labels = sentences(n)
    return [(text, "good" if y else "bad") for text, y in zip(texts, labels, strict=True)]


def test_first_rows_are_short_texts_and_columns_are_guessed(tmp_path):
    source = csv(
        tmp_path, [("x" * 5000, "a", 1), ("short", "b", 2)], columns=("text", "label", "n")
    )
    look = first_look(source)
    assert (look.roles.content, look.roles.label, look.kind) == ("text", "label", "csv")
    assert len(look.head["text"][0]) == TEXT_SHOWN
    assert look.head["n"].tolist() == ["1", "2"]


def test_unknown_columns_are_no_error_but_a_question(tmp_path):
    look = first_look(csv(tmp_path, [("hello", "a")], columns=("foo", "bar")))
    assert look.roles is None
    assert "label" in look.problem
    assert look.columns == ("foo", "bar")


def test_everything_wrong_is_found_with_examples(tmp_path):
    made = rows()
    made += [("same words", "good"), ("same words", "bad"), ("no label here", None), ("", "good")]
    found = inspect_source(csv(tmp_path, made), COLUMNS)
    said = {problem.what: problem for problem in found.problems}
    assert any("no label" in what for what in said)
    assert any("empty text" in what for what in said)
    conflict = next(problem for what, problem in said.items() if "different label" in what)
    assert conflict.examples["text"].tolist() == ["same words"] * 2
    assert set(conflict.examples["label"]) == {"good", "bad"}
    assert not found.usable
    assert found.missing_splits == ("valid", "test")


def test_bad_rows_left_out_make_it_usable_and_are_counted(tmp_path):
    source = csv(tmp_path, [*rows(), ("no label here", None), ("", "good")])
    found = inspect_source(source, replace(COLUMNS, bad_rows="drop"))
    assert found.usable
    assert sum(out.count for out in found.account.left_out) == 2
    assert found.rows == {"train": 40}


def test_leakage_between_the_source_s_own_splits(tmp_path):
    made = [(*row, "train") for row in rows()]
    made += [(*row, "test") for row in rows()[:3]] + [("quite new", "good", "test")]
    source = csv(tmp_path, made, columns=("text", "label", "split"))
    found = inspect_source(source, COLUMNS)
    leak = next(p for p in found.problems if "same content as a row of train" in p.what)
    assert leak.what.startswith("3 rows of test")
    assert found.missing_splits == ("valid",)


def test_balance_counts_every_class_and_split(tmp_path):
    made = rows()
    found = inspect_source(csv(tmp_path, made), COLUMNS)
    wanted = pd.Series([label for _, label in made]).value_counts()
    assert dict(zip(found.balance["class"], found.balance["train"], strict=True)) == dict(wanted)


def test_pictures_come_as_thumbnails_and_broken_ones_are_found(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            grey = png(10 * i + len(name[0]) + (100 if name == "cat" else 0), (300, 200))
            (tmp_path / "pets" / name / f"{i}.png").write_bytes(grey)
    (tmp_path / "pets" / "dog" / "broken.png").write_bytes(b"no picture")
    found = inspect_source(str(tmp_path / "pets"), ReadOptions())
    assert found.modality == "image"
    # Each class has its turn; the broken one is a finding.
    assert [label for _, label in found.thumbnails[:4]] == ["cat", "dog", "cat", "dog"]
    assert all(data[:4] == b"RIFF" and len(data) < 5_000 for data, _ in found.thumbnails)
    assert any("no readable picture" in problem.what for problem in found.problems)
    assert not found.usable


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b"text,label\n", "no rows"),
        (b"text,label\na,b\nc,d,e\n", "Line 3"),
        (b'text,label\n"a","b"\n"c,d\n', "opens a quote that is never closed"),
        (b"text,label\na,b,c\n", "Line 2 of bad.csv has 3 fields"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "holds a picture"),
        (b"PK\3\4\x14\0\0\0\x08\0\xe9\xfa", "holds a ZIP"),
        (b"\0\1\2\3\4\5\x85\xff", "not a text file"),
        (b"text,text\na,b\n", "more than one column"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=sentence) as caught:
        first_look(str(path))
        inspect_source(str(path), COLUMNS)
    assert "\n" not in str(caught.value)


def test_random_bytes_are_refused_or_read_never_a_traceback(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(60):
        suffix = ("csv", "tsv", "parquet")[number % 3]
        path = tmp_path / f"{number}.{suffix}"
        path.write_bytes(rng.integers(0, 256, rng.integers(0, 400), np.uint8).tobytes())
        try:
            first_look(str(path))
            inspect_source(str(path), ReadOptions())
        except DataError as error:
            assert str(error)
