"""Pictures beside a table that names them, and a ZIP of several tables."""

import json
import zipfile

import pytest
from edits import Why, make_edits
from kinds import reviews, write
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError
from influence_core.store.exports.export import export

WHOLE = ReadOptions(valid_share=0, test_share=0)


def pictures(root, table, folder=""):
    """Eight pictures in `folder` of a root, and their `metadata` beside them."""
    place = root / folder
    place.mkdir(parents=True)
    rows = []
    for i in range(8):
        (place / f"{i}.png").write_bytes(png(i + len(folder)))
        rows.append({"file_name": f"{i}.png", "label": ["cat", "dog"][i % 2], "camera": f"c{i}"})
    if table == "csv":
        lines = ["file_name,label,camera", *(",".join(row.values()) for row in rows)]
    else:
        lines = [json.dumps(row) for row in rows]
    (place / f"metadata.{table}").write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("table", ["csv", "jsonl"])
def test_pictures_with_metadata(tmp_path, table):
    root = pictures(tmp_path / "pets", table)
    look = preview_source(root)
    assert (look.kind, look.problem) == ("tables", "")
    data = read_source(root, WHOLE)
    assert (data.modality, data.classes, len(data.train)) == ("image", ("cat", "dog"), 8)
    assert data.train.labels.tolist() == [0, 1] * 4
    assert [data.train.image_bytes(i) for i in range(8)] == [png(i) for i in range(8)]
    assert list(data.train.extra("camera")) == [f"c{i}" for i in range(8)]


@pytest.mark.parametrize("table", ["csv", "jsonl"])
def test_metadata_of_each_split(tmp_path, table):
    root = pictures(pictures(tmp_path / "pets", table, "train"), table, "test")
    data = read_source(root, ReadOptions(valid_share=0))
    assert {split.name: len(split) for split in data} == {"train": 8, "test": 8}
    assert data.split("test").image_bytes(3) == png(3 + len("test"))
    assert data.train.image_bytes(3) == png(3 + len("train"))


def test_metadata_names_folders_of_splits(tmp_path):
    root = tmp_path / "pets"
    text = "file_name,label\n"
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for i in range(8):
            (root / split / f"{i}.png").write_bytes(png(i + len(split)))
            text += f"{split}/{i}.png,{'cat' if i % 2 else 'dog'}\n"
    (root / "metadata.csv").write_text(text)
    data = read_source(root, ReadOptions(valid_share=0))
    assert {split.name: len(split) for split in data} == {"train": 8, "test": 8}
    assert data.split("test").image_bytes(3) == png(3 + len("test"))


def test_a_picture_that_is_named_but_not_there_is_a_bad_row(tmp_path):
    root = pictures(tmp_path / "pets", "csv")
    (root / "3.png").unlink()
    with pytest.raises(DataError, match=r"Line 5 of metadata\.csv has a bad image"):
        read_source(root, WHOLE)


def zipped(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in files.items():
            archive.write(file, f"films/{name}{file.suffix}")
    return path


def test_a_zip_of_a_table_for_each_split(tmp_path):
    train = write("a.csv", tmp_path, reviews(24))
    test = write("a.jsonl", tmp_path, reviews(10, start=50))
    path = zipped(tmp_path / "films.zip", train=train, test=test, notes=train)
    assert preview_source(path).kind == "tables"
    data = read_source(path, ReadOptions(valid_share=0))
    assert {split.name: len(split) for split in data} == {"train": 24, "test": 10}
    assert data.train.texts() == reviews(24)["text"].tolist()
    assert data.source.files["test"].packed == "films/test.jsonl"
    over = "Passed over in films.zip, since they name no split: ['films/notes.csv']."
    assert over in data.source.told


def test_a_zip_of_several_tables_for_one_split_is_refused_with_advice(tmp_path):
    one, two = write("a.csv", tmp_path), write("a.jsonl", tmp_path)
    path = zipped(tmp_path / "films.zip", train_1=one, train_2=one)
    with pytest.raises(DataError, match="several tables for one split; unpack it and name the"):
        read_source(path, WHOLE)
    path = zipped(tmp_path / "other.zip", first=one, second=two)
    with pytest.raises(DataError, match=r"other\.zip|films"):
        read_source(path, WHOLE)


def test_what_is_wrong_in_a_zip_is_said_of_the_zip(tmp_path):
    for name, content in (("a.parquet", b"PAR1 is no table"), ("a.csv", b""), ("a.xlsx", b"x")):
        with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
            archive.writestr(f"films/{name}", content)
        with pytest.raises(DataError, match=rf"^films\.zip: .*{name}") as caught:
            read_source(tmp_path / "films.zip", WHOLE)
        assert "films.zip" in str(caught.value)
        assert "/turnover-" not in str(caught.value)


def test_a_zip_packed_on_windows_is_read_and_exported(tmp_path):
    one = write("a.csv", tmp_path)
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as archive:
        archive.writestr("films\\a.csv", one.read_bytes())
    data = read_source(tmp_path / "films.zip", WHOLE)
    assert data.train.texts() == reviews(24)["text"].tolist()
    edits = make_edits(data, {int(data.train.keys[0]): None}, Why("x", who="ada"))
    export(data, edits, tmp_path / "out.zip")
    assert len(read_source(tmp_path / "out.zip", WHOLE).train) == 23


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.TGZ", "a.csv.bz2", "a.7z", "a.tar.xz"])
def test_other_archives_are_refused_with_advice(tmp_path, name):
    (tmp_path / name).write_bytes(b"text,label\n")
    with pytest.raises(DataError, match=rf"{name} is packed in a way .* pack it as ZIP"):
        read_source(tmp_path / name, WHOLE)
