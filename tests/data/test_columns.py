"""Roles of columns: decided by the majority, exceptions named, doubt told."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from column_toys import FILM, roles, table, texts, url
from hypothesis import assume, given
from hypothesis import strategies as st

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.data.splitting import known_split
from influence_core.errors import DataError


def parquet(path, found):
    pq.write_table(found, path)
    return str(path)


def usual(i):
    return ("train", "train", "train", "valid", "test")[i % 5]


SPELLINGS = {
    "train": ["train", "Train", "TRAIN", " train", "training", "trn", "train\u200b", "train_set"],
    "valid": ["valid", "validation ", "Val", "dev", "eval", "val2017", "validation-set"],
    "test": ["test", "TEST", "testing", "tst", "holdout", "hold-out", "test_images", "TestSet"],
}


@pytest.mark.parametrize(
    ("split", "name"), [(s, n) for s, names in SPELLINGS.items() for n in names]
)
def test_usual_spellings_are_splits(split, name):
    assert known_split(name) == split


@pytest.mark.parametrize(
    "name", ["", "trains", "extra", "unlabeled", "contest", "0", "x_train", "dévtest"]
)
def test_other_names_are_none(name):
    assert known_split(name) is None


@pytest.mark.parametrize("odd", ["", "  ", None, "tset", "extra", "0"])
@pytest.mark.parametrize("explicit", [False, True])
def test_an_odd_split_is_named_and_never_trained_on(tmp_path, odd, explicit):
    source = parquet(tmp_path / "a.parquet", table(split=lambda i: odd if i == 12 else usual(i)))
    options = {"split_column": "split"} if explicit else {}
    words = repr(odd) if odd and odd.strip() else "no split"
    for bad_rows in ("refuse", "keep"):
        with pytest.raises(
            DataError, match=f"Row 13 of a.parquet has .*{words}.* in column 'split'"
        ):
            read_source(source, ReadOptions(bad_rows=bad_rows, **options))
    data = read_source(source, ReadOptions(bad_rows="drop", **options))
    assert {split.name: len(split) for split in data} == {"train": 23, "valid": 8, "test": 8}
    assert FILM.format(12) not in [text for split in data for text in split.texts()]


@given(
    odd=st.lists(
        st.tuples(st.integers(0, 39), st.sampled_from([None, "", " ", "oops", "5"])), max_size=9
    ),
    spelled=st.fixed_dictionaries({s: st.sampled_from(names) for s, names in SPELLINGS.items()}),
    name=st.sampled_from(["split", "Split", " subset", "partition"]),
)  # fmt: skip
def test_whatever_a_split_column_holds_no_row_changes_sides(tmp_path_factory, odd, spelled, name):
    values = [spelled[usual(i)] for i in range(40)]
    for row, value in odd:
        values[row] = value
    good = {i for i in range(40) if known_split(values[i] or "")}
    assume({usual(i) for i in good} == {"train", "valid", "test"})
    source = parquet(
        tmp_path_factory.mktemp("s") / "a.parquet", table(**{name: lambda i: values[i]})
    )
    if len(good) < 40:
        with pytest.raises(DataError, match="in column"):
            read_source(source)
    data = read_source(source, ReadOptions(bad_rows="drop"))
    found = {text: split.name for split in data for text in split.texts()}
    assert found == {FILM.format(i): usual(i) for i in good}


def test_a_column_that_only_holds_splits_is_one_under_any_name():
    found = roles(table(Usage=lambda i: ("Training", "PublicTest", "PrivateTest")[i % 3]))
    assert found.split is None  # two names of three are none
    assert roles(table(Usage=lambda i: usual(i).title())).split == "Usage"
    assert roles(table(stage=lambda i: "train")).split is None
    assert roles(table(Usage=usual), split_column="").split is None


@pytest.mark.parametrize("value", [lambda i: str(i % 5), lambda i: i % 3, lambda i: "abc"[i % 3]])
def test_a_column_called_split_is_never_passed_over_in_silence(value):
    found = roles(table(split=value))
    assert found.split is None
    assert "Column 'split' is not taken for splits" in found.told[0]
    assert "--split" in found.told[0]


def test_unusual_spellings_are_told_and_two_words_for_one_split_are_refused():
    found = roles(table(split=lambda i: "holdout" if usual(i) == "test" else usual(i)))
    assert found.told == ("In column 'split', 'holdout' is read as the split test.",)
    mixed = table(split=lambda i: "Train" if i == 5 else usual(i))
    assert roles(mixed).split == "split"
    with pytest.raises(DataError, match=r"'dev', 'valid'.*both called 'valid'"):
        roles(table(split=lambda i: "dev" if i % 10 == 3 else usual(i)))


def test_large_unknown_parts_of_a_named_column_stay_splits_of_their_own(tmp_path):
    source = parquet(
        tmp_path / "a.parquet", table(split=lambda i: "extra" if i % 10 == 0 else usual(i))
    )
    with pytest.raises(DataError, match="'extra', which is the name of no split"):
        read_source(source)
    data = read_source(source, ReadOptions(split_column="split"))
    assert {split.name: len(split) for split in data} == {
        "train": 20, "valid": 8, "test": 8, "extra": 4
    }  # fmt: skip


@pytest.mark.parametrize("column", ["text", "label", "split", "id"])
def test_dictionaries_and_categories_count_as_texts(tmp_path, column):
    plain = table(split=usual, id=str)
    coded = plain.set_column(
        plain.column_names.index(column), column, plain.column(column).dictionary_encode()
    )
    one = read_source(parquet(tmp_path / "a.parquet", plain))
    two = read_source(parquet(tmp_path / "b.parquet", coded))
    assert one.fingerprint == two.fingerprint
    frame = plain.to_pandas().astype({column: "category"})
    three = read_source(parquet(tmp_path / "c.parquet", pa.Table.from_pandas(frame)))
    assert three.fingerprint == one.fingerprint


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (lambda i: ["a", "film"], "list<"),
        (lambda i: {"en": "a film"}, "struct<"),
        (lambda i: [{"a": 1}], "list<"),
    ],
)
def test_nested_columns_are_told_or_refused_by_name(values, words):
    nested = table(body=values)
    assert roles(nested).content == "text"
    with pytest.raises(DataError, match=f"'body' of films.csv holds {words}"):
        roles(nested, content_column="body")
    only = nested.drop_columns("text").append_column("film", nested.column("text"))
    told = roles(only).told
    assert roles(only).content == "film"
    assert any(f"'body' holds {words}" in sentence for sentence in told)


def test_ids_that_mostly_repeat_are_none():
    assert roles(table(id=str)).id == "id"
    assert roles(table(id=lambda i: str(max(i, 3)))).id == "id"
    found = roles(table(id=lambda i: str(i % 4)))
    assert found.id is None
    assert "'id' is not taken for ids" in found.told[0]
    assert roles(table(id=lambda i: str(i % 4)), id_column="id").id == "id"


def test_a_number_that_is_none_is_a_missing_label(tmp_path):
    source = parquet(tmp_path / "a.parquet", table(y=lambda i: float("nan") if i == 5 else i % 2.0))
    with pytest.raises(DataError, match=r"Row 6 of a.parquet has no label in column 'y'"):
        read_source(source, ReadOptions(label_column="y"))
    data = read_source(source, ReadOptions(label_column="y", bad_rows="drop"))
    assert data.classes == ("0", "1")


@pytest.mark.parametrize(
    ("columns", "content", "told"),
    [
        ({"headline": FILM.format, "url": url}, "headline", "['url'] hold URLs"),
        ({"premise": FILM.format, "hypothesis": "Film {} has a plot".format}, "premise",
         "--content premise,hypothesis joins them"),
        ({"title": "Film {}".format, "article": lambda i: FILM.format(i) * 9}, "article", None),
        ({"review": FILM.format, "summary": "Film {} was rather lovely".format}, "review",
         "--content review,summary joins them"),
        ({"sha": lambda i: f"{i:064x}", "note": "a short note {}".format}, "note", None),
        ({"作品": lambda i: f"这部电影的摄影非常出色{i}", "code": "AB-{} x".format}, "作品", None),
        ({"date": "2024-05-{} 10:00:00 UTC".format, "said": "it was good {}".format}, "said", None),
        ({"url": url}, "url", None),
        ({"question1": FILM.format, "question2": (FILM + " really").format}, "question1",
         "--content question1,question2 joins them"),
        ({"filename": "img_{}".format}, "filename", "need their .png"),
        ({"said": lambda i: f"a/{i}.png" if i % 3 == 0 else FILM.format(i)}, "said",
         "14 of 40 values of 'said' look like file names"),
    ],
)  # fmt: skip
def test_the_content_is_where_the_words_are(columns, content, told):
    found = texts(**columns)
    assert found.content == content
    assert (told is None) == (not found.told)
    if told:
        assert told in found.told[0]
