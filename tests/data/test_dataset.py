import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from influence_core.data.build import build_dataset
from influence_core.errors import DataError


def _png(value: int = 0) -> bytes:
    out = io.BytesIO()
    Image.new("L", (4, 4), value).save(out, "PNG")
    return out.getvalue()


def _texts(**changes):
    columns = {"label": [0, 1, -1, 0], "text": ["a", "b", "a", "c"], "planted": [1, None, 3, 4]}
    return {"train": columns | changes, "test": {"label": ["no", None], "text": ["q", "r"]}}


def test_columns_come_back_as_they_went_in():
    train = build_dataset(_texts(), ["no", "yes"]).train
    assert train.labels.tolist() == [0, 1, -1, 0]
    assert train.texts() == ["a", "b", "a", "c"]
    assert train.texts([3, 0]) == ["c", "a"]
    assert train.ids == ["1", "2", "3", "4"]
    assert train.rows.tolist() == [0, 1, 2, 3]
    assert train.extra_columns == ["planted"]
    assert np.isnan(train.extra("planted")[1])


def test_labels_may_be_class_names_and_null_is_none():
    test = build_dataset(_texts(), ["no", "yes"]).split("test")
    assert test.labels.tolist() == [0, -1]


def test_pandas_and_lists_make_the_same_data_set():
    columns = {"label": [0, 1], "text": ["a", "b"]}
    as_list = build_dataset({"train": columns}, ["x", "y"])
    as_frame = build_dataset({"train": pd.DataFrame(columns)}, ["x", "y"])
    assert as_list.fingerprint == as_frame.fingerprint


@pytest.mark.parametrize(
    ("changes", "classes"),
    [
        ({"label": [0, 1, 1, 0]}, ["no", "yes"]),
        ({"text": ["a", "b", "a", "d"]}, ["no", "yes"]),
        ({"id": ["1", "2", "3", "4"]}, ["no", "yes"]),
        ({}, ["no", "Yes"]),
    ],
)
def test_fingerprint_changes_with_labels_content_keys_and_classes(changes, classes):
    base = build_dataset(_texts(), ["no", "yes"]).fingerprint
    assert build_dataset(_texts(**changes), classes).fingerprint != base


def test_fingerprint_ignores_columns_that_ride_along():
    base = build_dataset(_texts(), ["no", "yes"]).fingerprint
    assert build_dataset(_texts(planted=[0, 0, 0, 0]), ["no", "yes"]).fingerprint == base


def test_relabelling_a_row_keeps_its_key():
    before = build_dataset(_texts(), ["no", "yes"]).train.keys
    after = build_dataset(_texts(label=[1, 1, 1, 1]), ["no", "yes"]).train.keys
    assert before.tolist() == after.tolist()


@given(st.lists(st.integers(0, 11), max_size=8))
def test_positions_of_inverts_keys(positions):
    columns = {"label": [0] * 12, "text": [f"t{i % 5}" for i in range(12)]}
    train = build_dataset({"train": columns}, ["x"]).train
    assert train.positions_of(train.keys[positions]).tolist() == positions
    assert [train.position(int(key)) for key in train.keys[positions]] == positions


def test_an_unknown_key_is_refused():
    train = build_dataset(_texts(), ["no", "yes"]).train
    with pytest.raises(DataError, match="is not in split 'train'"):
        train.positions_of(np.array([train.keys[0], 12345], dtype=np.uint64))
    with pytest.raises(DataError, match="is not in split 'train'"):
        train.position(12345)


@pytest.mark.parametrize("key", [-5, 2**64, 10**30])
def test_a_number_that_is_no_key_is_refused(key):
    with pytest.raises(DataError, match=f"{key} is no key"):
        build_dataset(_texts(), ["no", "yes"]).train.position(key)


def test_labels_cannot_be_changed_by_accident():
    train = build_dataset(_texts(), ["no", "yes"]).train
    with pytest.raises(ValueError, match="read-only"):
        train.labels[0] = 1


def test_images_come_back_as_bytes():
    columns = {"label": [0, 1], "image": [_png(1), _png(2)]}
    dataset = build_dataset({"train": columns}, ["x", "y"])
    assert dataset.modality == "image"
    assert dataset.train.image_bytes(1) == _png(2)
    assert dataset.train.items([1, 0]) == [_png(2), _png(1)]


def test_images_on_disk_have_the_keys_of_their_bytes(tmp_path):
    (tmp_path / "a.png").write_bytes(_png(1))
    on_disk = {"train": {"label": [0], "image_path": ["a.png"]}}
    in_table = {"train": {"label": [0], "image": [_png(1)]}}
    first = build_dataset(on_disk, ["x"], image_root=tmp_path)
    assert first.train.image_bytes(0) == _png(1)
    assert first.train.keys.tolist() == build_dataset(in_table, ["x"]).train.keys.tolist()


def test_image_paths_cannot_leave_their_folder(tmp_path):
    (tmp_path / "secret.png").write_bytes(_png())
    root = tmp_path / "pictures"
    root.mkdir()
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png"):
        with pytest.raises(DataError, match="leads out of its folder"):
            build_dataset({"train": {"label": [0], "image_path": [path]}}, ["x"], image_root=root)


def test_a_missing_image_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"'gone\.png' cannot be read"):
        build_dataset(
            {"train": {"label": [0], "image_path": ["gone.png"]}}, ["x"], image_root=tmp_path
        )


@pytest.mark.parametrize(
    ("splits", "classes", "message"),
    [
        ({"test": {"label": [0], "text": ["a"]}}, ["x"], "needs a split named 'train'"),
        ({"train": {"text": ["a"]}}, ["x"], "needs a column 'label'"),
        ({"train": {"label": [0], "words": ["a"]}}, ["x"], "one of the columns"),
        ({"train": {"label": [2], "text": ["a"]}}, ["x", "y"], "Label 2 at row 1"),
        ({"train": {"label": ["z"], "text": ["a"]}}, ["x"], "Label 'z' at row 1"),
        ({"train": {"label": [0], "text": [None]}}, ["x"], "Row 1 of split 'train' has no text"),
        ({"train": {"label": [0], "text": ["a"]}}, ["x", "x"], "Class names must differ"),
        (
            {"train": {"label": [0], "text": ["a"]}, "../x": {"label": [0], "text": ["a"]}},
            ["x"],
            "cannot be the name of a split",
        ),
        (
            {"train": {"label": [0], "text": ["a"]}, "test": {"label": [0], "image": [b"a"]}},
            ["x"],
            "same kind of content",
        ),
    ],
)
def test_columns_that_make_no_data_set_are_refused(splits, classes, message):
    with pytest.raises(DataError, match=message):
        build_dataset(splits, classes)


def test_asking_for_the_other_modality_or_a_missing_column_is_refused():
    dataset = build_dataset(_texts(), ["no", "yes"])
    with pytest.raises(DataError, match="holds text"):
        dataset.train.image_bytes(0)
    with pytest.raises(DataError, match="no column 'gold'"):
        dataset.train.extra("gold")
    with pytest.raises(DataError, match="no split 'valid'"):
        dataset.split("valid")
    images = build_dataset({"train": {"label": [0], "image": [_png()]}}, ["x"])
    with pytest.raises(DataError, match="holds images"):
        images.train.texts()
