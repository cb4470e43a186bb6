"""Parquet files and Hugging Face folders."""

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.data.source import refuse_changed
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)
LABELS = datasets.ClassLabel(names=["neg", "pos"])


def test_parquet_keeps_the_types_of_other_columns(tmp_path):
    table = pa.table({"text": ["x", "y"], "label": ["a", "b"], "score": [0.5, 1.0]})
    pq.write_table(table, tmp_path / "d.parquet")
    score = read_source(tmp_path / "d.parquet", WHOLE).train.extra("score")
    assert score.dtype == np.float64


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0.5, 1.0], "numbers with fractions"), ([[1], [2]], "several labels a row")],
)
def test_columns_that_cannot_be_labels_are_refused(tmp_path, labels, message):
    pq.write_table(pa.table({"text": ["x", "y"], "label": labels}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match=message):
        read_source(tmp_path / "d.parquet")


def test_an_id_that_is_no_single_value_is_refused(tmp_path):
    table = pa.table({"id": [[1], [2]], "text": ["x", "y"], "label": ["a", "b"]})
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(DataError, match="Column 'id' holds list"):
        read_source(tmp_path / "d.parquet")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([0.0, 1.0], ("0", "1")), ([True, False], ("false", "true")), ([7, 10], ("7", "10"))],
)
def test_numbers_and_truth_values_become_class_names(tmp_path, labels, classes):
    pq.write_table(pa.table({"text": ["x", "y"], "label": labels}), tmp_path / "d.parquet")
    assert read_source(tmp_path / "d.parquet", WHOLE).classes == classes


def test_dictionary_columns_are_read_as_their_values(tmp_path):
    labels = pa.array(["b", "a", "b"]).dictionary_encode()
    pq.write_table(pa.table({"text": ["x", "y", "z"], "label": labels}), tmp_path / "d.parquet")
    dataset = read_source(tmp_path / "d.parquet", WHOLE)
    assert dataset.classes == ("a", "b")
    assert dataset.train.labels.tolist() == [1, 0, 1]


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6))
def test_damaged_parquet_is_data_or_an_error_of_ours(tmp_path_factory, damage):
    path = tmp_path_factory.mktemp("bent") / "d.parquet"
    pq.write_table(pa.table({"text": ["x", "y", "z"], "label": ["a", "b", "a"]}), path)
    data = bytearray(path.read_bytes())
    for place, value in damage:
        data[place % len(data)] = value
    path.write_bytes(bytes(data))
    try:
        read_source(path, WHOLE)
    except DataError as error:
        assert "\n" not in str(error)


def test_text_that_is_not_utf8_is_refused_at_the_door(tmp_path):
    bad = pa.array([b"\xff\xfe", b"ok"]).view(pa.string())
    pq.write_table(pa.table({"text": bad, "label": ["a", "b"]}), tmp_path / "d.parquet")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_source(tmp_path / "d.parquet")


def test_declared_class_names_are_used_and_minus_one_is_no_label(tmp_path):
    features = datasets.Features({"sentence": datasets.Value("string"), "label": LABELS})
    rows = {"sentence": ["good", "bad", "so"], "label": [1, 0, -1]}
    whole = datasets.Dataset.from_dict(rows, features=features)
    saved = datasets.DatasetDict({"train": whole.select([1, 0]), "validation": whole})
    saved.save_to_disk(str(tmp_path / "saved"))
    dataset = read_source(tmp_path / "saved", ReadOptions(bad_rows="drop", test_share=0))
    assert dataset.source.files["train"].kind == "hf"
    assert dataset.classes == ("neg", "pos")
    # `select` leaves an index over the rows on disk, which must be followed.
    assert dataset.train.texts() == ["bad", "good"]
    assert dataset.train.labels.tolist() == [0, 1]
    assert len(dataset.splits["valid"]) == 2
    whole.select([0, 1]).to_parquet(str(tmp_path / "d.parquet"))
    assert read_source(tmp_path / "d.parquet", WHOLE).classes == ("neg", "pos")


def test_parquet_shards_are_joined_by_split(tmp_path):
    for name, label in (("train-00000-of-00002", "a"), ("train-00001-of-00002", "b")):
        table = pa.table({"text": [f"{label}1", f"{label}2"], "label": [label] * 2})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    (tmp_path / "test").mkdir()
    table = pa.table({"text": ["q"], "label": ["a"]})
    pq.write_table(table, tmp_path / "test" / "0000.parquet")
    dataset = read_source(tmp_path, ReadOptions(valid_share=0))
    assert dataset.train.texts() == ["a1", "a2", "b1", "b2"]
    assert dataset.splits["test"].texts() == ["q"]
    file = dataset.source.files["train"]
    refuse_changed(file)
    pq.write_table(table, tmp_path / file.parts[1])
    with pytest.raises(DataError, match="has changed since it was imported"):
        refuse_changed(file)


def test_shards_that_do_not_fit_together_are_refused(tmp_path):
    pq.write_table(pa.table({"text": ["x"], "label": ["a"]}), tmp_path / "train-0-of-2.parquet")
    pq.write_table(pa.table({"text": [1], "label": ["a"]}), tmp_path / "train-1-of-2.parquet")
    with pytest.raises(DataError, match="do not fit together"):
        read_source(tmp_path)


def test_a_preview_of_parquet_shows_its_first_rows(tmp_path):
    table = pa.table({"text": [f"t{i}" for i in range(500)], "mood": ["a", "b"] * 250})
    pq.write_table(table, tmp_path / "d.parquet")
    found = preview_source(tmp_path / "d.parquet")
    assert len(found.rows) == 200
    assert found.roles is None
    assert "perhaps 'mood'" in found.problem


def test_a_damaged_hugging_face_folder_is_one_sentence(tmp_path):
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(DataError, match="is not a data set that can be loaded") as caught:
        read_source(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_cannot_name_files_outside_as_its_pictures(picture_folder, tmp_path):
    outside = str(picture_folder / "cat" / "0.png")
    table = pa.table({"image": [{"bytes": None, "path": outside}] * 2, "label": ["a", "b"]})
    pq.write_table(table, tmp_path / "d.parquet")
    with pytest.raises(DataError, match="names of pictures without"):
        read_source(tmp_path / "d.parquet")
