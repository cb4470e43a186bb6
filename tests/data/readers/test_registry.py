"""Reading what users bring, and refusing it in one sentence that names the place."""

import csv
import io

import datasets
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError

# Anything a sentence may hold, but not only blanks (an empty sentence is refused).
SENTENCES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1)
WHOLE = ReadOptions(valid_share=0, test_share=0, id_column="")


def write(path, rows, header=("id", "text", "label"), encoding="utf-8", **how):
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, **how)
        writer.writerow(header)
        writer.writerows(rows)
    return str(path)


def rows(n=20):
    return [[i, f"sentence number {i}", "good" if i % 2 else "bad"] for i in range(n)]


@given(texts=st.lists(SENTENCES.map(lambda s: "x" + s), min_size=2, max_size=12, unique=True))
def test_whatever_is_written_as_csv_is_read_back(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    # Rows that differ in line ends only would be told apart by nobody; keep them as they are.
    write(path, [[i, t, i % 2] for i, t in enumerate(texts)])
    options = ReadOptions(
        valid_share=0, test_share=0, label_column="label", content_column="text", delimiter=",",
        encoding="utf-8",
    )  # fmt: skip
    found = read_source(str(path), options).train.texts()
    with path.open(encoding="utf-8", newline="") as file:
        assert found == [row["text"] for row in csv.DictReader(file)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_found(tmp_path, encoding, delimiter):
    texts = [
        [i, f"Zoë Müller paid 5 £, so what {i}", "good" if i % 2 else "bad"] for i in range(20)
    ]
    path = write(tmp_path / "a.csv", texts, encoding=encoding, delimiter=delimiter)
    data = read_source(path, WHOLE)
    assert data.train.texts() == [t for _, t, _ in texts]
    assert data.classes == ("bad", "good")


def test_splits_are_cut_by_content_seeded_and_stratified(tmp_path):
    path = write(tmp_path / "a.csv", [*rows(200), *[[1000 + i, "twin", "good"] for i in range(9)]])
    data = read_source(path)
    again = read_source(path)
    assert data.fingerprint == again.fingerprint
    assert {s.name for s in data} == {"train", "valid", "test"}
    assert sum("twin" in s.texts() for s in data) == 1
    for split in data:
        assert 0.3 < (split.labels == 0).mean() < 0.7


def test_parquet_folder_and_hugging_face_data_are_read_alike(tmp_path):
    frame = pd.DataFrame(rows(30), columns=["id", "text", "label"])
    frame.to_parquet(tmp_path / "a.parquet")
    datasets.Dataset.from_pandas(frame).save_to_disk(tmp_path / "hf")
    options = ReadOptions(valid_share=0, test_share=0, id_column="id")
    a = read_source(str(tmp_path / "a.parquet"), options)
    b = read_source(str(tmp_path / "hf"), options)
    assert a.train.texts() == b.train.texts() == frame["text"].tolist()
    assert a.train.keys.tolist() == b.train.keys.tolist()


def test_a_folder_of_images_stays_on_disk(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(12):
            (tmp_path / "pets" / name / f"{i}.png").write_bytes(png(i * 9 + len(name)))
    data = read_source(str(tmp_path / "pets"), ReadOptions(valid_share=0, test_share=0))
    assert data.classes == ("cat", "dog")
    assert data.train.content_column == "image_path"
    assert data.train.image_bytes(3).startswith(b"\x89PNG")


def refused(source, options=WHOLE):
    with pytest.raises(DataError) as caught:
        read_source(source, options)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_a_label_column_that_is_not_there_is_named_beside_those_that_are(tmp_path):
    path = write(tmp_path / "a.csv", rows())
    sentence = refused(path, ReadOptions(label_column="stars"))
    assert "stars" in sentence
    assert "text" in sentence


def test_no_label_column_at_all_is_said(tmp_path):
    path = write(tmp_path / "a.csv", [[f"sentence {i} with words"] for i in range(20)], ["text"])
    assert "label" in refused(path)


def test_an_empty_sentence_is_named_by_its_line(tmp_path):
    table = rows()
    table[6][1] = "  "
    assert "8" in refused(write(tmp_path / "a.csv", table))


def test_ids_that_stand_twice_are_named(tmp_path):
    table = rows()
    table[9][0] = 3
    path = write(tmp_path / "a.csv", table)
    sentence = refused(path, ReadOptions(id_column="id", valid_share=0, test_share=0))
    assert "'3'" in sentence or " 3 " in sentence


def test_one_class_only_is_said(tmp_path):
    table = [[i, f"sentence {i}", "good"] for i in range(20)]
    path = write(tmp_path / "a.csv", table)
    assert "class" in refused(path, ReadOptions(label_column="label", content_column="text"))


def test_a_broken_picture_is_named(tmp_path):
    frame = pd.DataFrame(
        {
            "image": [png(i) for i in range(20)],
            "label": ["a" if i % 2 else "b" for i in range(20)],
        }
    )
    frame.loc[4, "image"] = b"\x89PNG but not really"
    frame.to_parquet(tmp_path / "a.parquet")
    assert "5" in refused(str(tmp_path / "a.parquet"), ReadOptions(valid_share=0, test_share=0))


def test_a_picture_of_unreasonable_size_is_refused(tmp_path):
    from PIL import Image

    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")  # 81 million pixels in a few kB
    frame = pd.DataFrame({"image": [png(1), bomb.getvalue()] * 8, "label": ["a", "b"] * 8})
    frame.to_parquet(tmp_path / "a.parquet")
    assert "image" in refused(str(tmp_path / "a.parquet"), ReadOptions(valid_share=0, test_share=0))


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"text,label\n", b'"open quote,a\n1,2'])
def test_files_that_are_no_csv_are_refused(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    refused(str(path))


def test_a_path_that_is_not_there_is_named(tmp_path):
    assert "nowhere.csv" in refused(str(tmp_path / "nowhere.csv"))


def test_bad_rows_can_be_left_out(tmp_path):
    table = rows()
    table[6][1] = ""
    table[8][2] = ""
    path = write(tmp_path / "a.csv", table)
    options = ReadOptions(valid_share=0, test_share=0, bad_rows="drop")
    assert len(read_source(path, options).train) == 18
    assert np.array_equal(read_source(path, options).train.rows[:7], [0, 1, 2, 3, 4, 5, 7])


def test_an_empty_folder_is_called_empty(tmp_path):
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="data is empty; check the path"):
        read_source(tmp_path / "data")
