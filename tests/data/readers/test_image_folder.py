import os
import shutil

import pytest

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)


def test_a_folder_per_class_is_read(picture_folder):
    dataset = read_source(picture_folder, WHOLE)
    assert dataset.modality == "image"
    assert dataset.classes == ("cat", "dog")
    assert dataset.train.labels.tolist() == [0] * 6 + [1] * 6
    first = dataset.train.table["image_path"][0].as_py()
    assert first == "cat/0.png"
    assert dataset.train.image_bytes(0) == (picture_folder / first).read_bytes()


def test_folders_per_split_equal_one_source_per_split(picture_folder, tmp_path):
    root = tmp_path / "splits"
    shutil.copytree(picture_folder, root / "train")
    shutil.copytree(picture_folder, root / "val")
    together = read_source(root, WHOLE)
    apart = read_source({"train": root / "train", "valid": root / "val"}, WHOLE)
    assert {split.name: len(split) for split in together} == {"train": 12, "valid": 12}
    assert apart.fingerprint == together.fingerprint
    assert apart.splits["valid"].image_bytes(3) == together.splits["valid"].image_bytes(3)


def test_moving_a_picture_to_another_class_keeps_its_key(picture_folder):
    before = read_source(picture_folder, WHOLE)
    (picture_folder / "cat" / "0.png").rename(picture_folder / "dog" / "moved.png")
    after = read_source(picture_folder, WHOLE)
    assert set(before.train.keys.tolist()) == set(after.train.keys.tolist())
    at = after.train.positions_of(before.train.keys[:1])[0]
    assert (before.train.labels[0], after.train.labels[at]) == (0, 1)


def test_an_unreadable_picture_is_named_or_left_out(picture_folder):
    (picture_folder / "cat" / "3.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"Picture cat/3\.png of pictures has a bad image"):
        read_source(picture_folder, WHOLE)
    options = ReadOptions(bad_rows="drop", valid_share=0, test_share=0)
    assert len(read_source(picture_folder, options).train) == 11


def test_links_out_of_the_folder_are_refused(picture_folder, tmp_path):
    (tmp_path / "outside.png").write_bytes((picture_folder / "cat" / "0.png").read_bytes())
    (picture_folder / "cat" / "link.png").symlink_to(tmp_path / "outside.png")
    with pytest.raises(DataError, match="leads out of its folder"):
        read_source(picture_folder, WHOLE)


def test_hidden_and_other_files_are_passed_over(picture_folder):
    (picture_folder / ".DS_Store").write_bytes(b"x")
    (picture_folder / "cat" / "._0.png").write_bytes(b"x")
    (picture_folder / "cat" / "notes.txt").write_bytes(b"x")
    (picture_folder / ".git").mkdir()
    assert len(read_source(picture_folder, WHOLE).train) == 12


def test_a_file_name_that_is_no_text_is_refused(picture_folder):
    name = os.fsencode(str(picture_folder / "cat")) + b"/\xff.png"
    with open(name, "wb") as file:  # noqa: PTH123 - pathlib cannot spell this name
        file.write((picture_folder / "cat" / "0.png").read_bytes())
    with pytest.raises(DataError, match="rename the file"):
        read_source(picture_folder)


def test_pictures_without_class_folders_are_explained(tmp_path, picture_folder):
    flat = tmp_path / "flat"
    (flat / "only").mkdir(parents=True)
    shutil.copy(picture_folder / "cat" / "0.png", flat / "0.png")
    with pytest.raises(DataError, match=r"stand in no class folder \(1 of them\); put"):
        read_source(flat)


def test_one_class_folder_is_refused_with_what_to_do(tmp_path, picture_folder):
    shutil.copytree(picture_folder / "cat", tmp_path / "one" / "images")
    (tmp_path / "one" / "labels.csv").write_text("image,label\n0,a\n1,b\n")
    with pytest.raises(
        DataError, match=r"stand in the folder 'images'; .* name a table that lists"
    ):
        read_source(tmp_path / "one")


def test_a_csv_may_name_pictures(picture_folder):
    rows = "".join(f"cat/{i}.png,c\ndog/{i}.png,d\n" for i in range(6))
    (picture_folder / "list.csv").write_text("path,label\n" + rows)
    dataset = read_source(picture_folder / "list.csv", WHOLE)
    assert dataset.modality == "image"
    assert dataset.train.image_bytes(1) == (picture_folder / "dog" / "0.png").read_bytes()


def test_a_preview_lists_pictures_without_opening_them(picture_folder):
    (picture_folder / "cat" / "0.png").write_bytes(b"broken")
    found = preview_source(picture_folder)
    assert found.roles is not None
    assert found.roles.kind == "image_path"
    assert len(found.rows) == 12
