"""Roles of columns: decided by the majority, exceptions named, doubt told."""

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from kept_pictures import pictures_at
from tiny import png

from influence_core.data.columns import detect_columns
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.data.splitting import known_split
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)
FILM = "The camera work and the opening of film {} were lovely."


def table(n=40, **columns):
    """Rows of texts and labels, and other columns by a function of the row."""
    made = {"text": [FILM.format(i) for i in range(n)], "label": ["ab"[i % 2] for i in range(n)]}
    made |= {name: [value(i) for i in range(n)] for name, value in columns.items()}
    return pa.table({name: values for name, values in made.items() if values[0] != "drop me"})


def roles(found, **options):
    return detect_columns(found, ReadOptions(**options), "films.csv")


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


def texts(**columns):
    made = table(**columns).drop_columns("text")
    return roles(made)


def url(i):
    return (
        f"https://example.org/articles/2024/05/{i}/a-very-long-permalink-that-says-nothing-at-all"
    )


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


@pytest.mark.parametrize(
    "columns",
    [
        {"image_url": url},
        {"photo": url, "source": "a{}".format},
        {"link": lambda i: f"https://example.org/{i}.JPG?size=1"},
    ],
)
def test_urls_of_pictures_are_refused_with_words(columns):
    with pytest.raises(DataError, match=r"URLs are not fetched; download them first.*--image-root"):
        texts(**columns)


PICS = [f"pics/{c}/{i}.png" for c in ("circle", "square") for i in range(10)]


def listing(folder, spell=str, header="path,label", more=()):
    pictures_at(folder, PICS)
    lines = [f"{spell(path)},{Path(path).parts[1]}" for path in PICS]
    (folder / "list.csv").write_text("\n".join([header, *lines, *more]) + "\n")
    return folder / "list.csv"


@pytest.mark.parametrize(
    "spell",
    [
        str,
        lambda path: path + " ",
        lambda path: " " + path,
        lambda path: path.replace("/", "\\"),
        lambda path: ".\\" + path.replace("/", "\\"),
        lambda path: "C:\\Users\\me\\shapes\\" + path.replace("/", "\\"),
        lambda path: "/home/other/shapes/" + path,
        lambda path: "shapes/" + path,
        lambda path: path + " " if path.endswith("3.png") else path,
    ],
)
def test_a_list_of_pictures_is_recognised_however_it_is_spelled(tmp_path, spell):
    (tmp_path / "shapes").mkdir()
    source = listing(tmp_path / "shapes", spell)
    data = read_source(source, WHOLE)
    assert data.modality == "image"
    assert data.train.table.column("image_path").to_pylist() == PICS
    assert preview_source(source).roles.kind == "image_path"


def test_odd_paths_are_named_and_left_out(tmp_path):
    more = ["a lovely film,circle", ",square", "pics/circle/gone.png,circle"]
    source = listing(tmp_path, more=more)
    with pytest.raises(DataError, match=r"Line 22 of list.csv .*\(3 rows have problems\)"):
        read_source(source, WHOLE)
    data = read_source(source, ReadOptions(bad_rows="drop", valid_share=0, test_share=0))
    assert (data.modality, len(data.train)) == ("image", 20)


def test_the_folder_of_a_list_can_be_named(tmp_path):
    source = listing(tmp_path, lambda path: path.removeprefix("pics/"))
    with pytest.raises(DataError, match=r"None of the pictures .*'circle/0.png'.*--image-root"):
        read_source(source, WHOLE)
    options = ReadOptions(image_root=str(tmp_path / "pics"), valid_share=0, test_share=0)
    assert len(read_source(source, options).train) == 20


def test_a_list_beside_its_pictures_finds_them_with_their_folder_named(tmp_path):
    (tmp_path / "lists").mkdir()
    source = listing(tmp_path / "lists", lambda path: "../" + path)
    shutil.move(tmp_path / "lists" / "pics", tmp_path / "pics")
    with pytest.raises(DataError, match="--image-root"):
        read_source(source, WHOLE)
    options = ReadOptions(image_root=str(tmp_path), valid_share=0, test_share=0)
    assert read_source(source, options).train.table.column("image_path").to_pylist() == PICS


@pytest.mark.parametrize("there", [False, True])
def test_a_list_tells_nothing_of_files_outside_its_folder(tmp_path, there):
    (tmp_path / "in").mkdir()
    source = listing(tmp_path / "in", more=["../secret.png,circle"])
    if there:
        pictures_at(tmp_path, ["secret.png"])
    with pytest.raises(DataError, match=r"Line 22 .*leads out of its folder"):
        read_source(source, WHOLE)
    hidden = source.with_name("hidden.csv")
    hidden.write_text("path,label\n../secret.png,circle\n../secret.png,square\n")
    with pytest.raises(DataError, match=r"None of the pictures .* is in"):
        read_source(hidden, WHOLE)


@pytest.fixture
def pets(tmp_path):
    """A folder `pets` of pictures, and beside it a table of their names without endings."""
    (tmp_path / "pets").mkdir()
    for i in range(12):
        (tmp_path / "pets" / f"{'cd'[i % 2]}{i}.png").write_bytes(png(20 * i))
    rows = "".join(f"{'cd'[i % 2]}{i},{'cd'[i % 2]}\n" for i in range(12))
    (tmp_path / "pets.csv").write_text("id,breed\n" + rows)
    return tmp_path / "pets.csv"


@pytest.mark.parametrize("named", [False, True])
def test_names_of_pictures_without_their_ending_are_no_texts(pets, named):
    root = str(pets.with_suffix("")) if named else None
    options = ReadOptions(label_column="breed", content_column="id", image_root=root)
    with pytest.raises(DataError, match=r"'c0' for c0\.png; write \.png behind each") as refusal:
        read_source(pets, options)
    assert ("--image-root" in str(refusal.value)) is not named


def test_a_folder_of_pictures_for_a_column_of_texts_is_not_passed_over(pets, tmp_path):
    texts = tmp_path / "texts.csv"
    rows = "".join(f"a title {i},a sentence {i},{'ab'[i % 2]}\n" for i in range(9))
    texts.write_text("title,text,label\n" + rows)
    for content in ("text", "title,text"):
        options = ReadOptions(content_column=content, image_root=str(pets.with_suffix("")))
        with pytest.raises(DataError, match=r"no file names of pictures.*leave --image-root out"):
            read_source(texts, options)


@pytest.mark.parametrize("text", ["很好" * 45, "🎬" * 90, "a" * 5_000, "a/b", "..", "a\\b", " "])
def test_texts_that_no_file_can_be_called_are_read_as_texts(pets, text):
    path = pets.with_name("odd.csv")
    rows = "".join(f"{i}{text},{'ab'[i % 2]}\n" for i in range(12))
    path.write_text("text,label\n" + rows, encoding="utf-8")
    assert read_source(path).modality == "text"


def test_texts_beside_pictures_are_read_as_texts(pets):
    words = pets.with_name("words.csv")
    words.write_text("text,label\n" + "".join(f"sentence {i},{'ab'[i % 2]}\n" for i in range(9)))
    assert read_source(words).modality == "text"
