"""Where the content of a table is: texts, links, lists of pictures and names of them."""

import shutil
from pathlib import Path

import pytest
from column_toys import PICS, texts, url
from kept_pictures import pictures_at
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)


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
