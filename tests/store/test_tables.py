"""The data of a project on disk: small and large, moved, bent."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import dataset, png, project

from influence_core.data.build import build_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.data.source import SourceFile, SourceInfo, refuse_changed
from influence_core.errors import TurnoverError
from influence_core.store import tables
from influence_core.store.project import Project
from influence_core.store.tables import load_dataset, read_header, save_dataset

WHOLE = ReadOptions(valid_share=0, test_share=0)


def test_small_and_large_tables_hold_the_same(tmp_path, monkeypatch):
    data = dataset(30)
    save_dataset(tmp_path / "small", data, tmp_path)
    monkeypatch.setattr(tables, "MAPPED_BYTES", 1)
    save_dataset(tmp_path / "large", data, tmp_path)
    assert (tmp_path / "small" / "train.parquet").is_file()
    assert (tmp_path / "large" / "train.arrow").is_file()
    small, large = (load_dataset(tmp_path / name, tmp_path) for name in ("small", "large"))
    for split in data:
        assert small.split(split.name).table.equals(large.split(split.name).table)
        assert large.split(split.name).texts([3, 1]) == split.texts([3, 1])
    assert small.fingerprint == large.fingerprint == data.fingerprint


def test_a_project_can_be_moved_with_its_source(tmp_path):
    rows = "".join(f"{i},t{i},{'ab'[i % 2]}\n" for i in range(20))
    (tmp_path / "d.csv").write_text("id,text,label\n" + rows)
    data = read_source(tmp_path / "d.csv")
    Project.create(tmp_path / "p", "P", data, "minilm")
    (tmp_path / "d.csv").unlink()
    (tmp_path / "p").rename(tmp_path / "moved")
    source = Project.open(tmp_path / "moved").dataset.source
    refuse_changed(source.files["train"])
    assert str(tmp_path / "moved") in source.files["train"].path


def test_pictures_stay_where_they_are(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "0.png").write_bytes(png(len(name) * ord(name[0])))
    data = read_source(tmp_path / "pets", WHOLE)
    made = Project.create(tmp_path / "p", "P", data, "minilm")
    found = Project.open(made.root).dataset
    assert found.train.image_bytes(1) == (tmp_path / "pets" / "dog" / "0.png").read_bytes()
    assert not list(made.root.rglob("*.png"))


def test_pictures_inside_the_project_move_with_it(tmp_path):
    data = build_dataset({"train": {"label": [0, 1], "image": [png(1), png(2)]}}, ["x", "y"])
    made = Project.create(tmp_path / "p", "P", data, "minilm")
    folder = made.root / "uploads"
    folder.mkdir()
    (folder / "a.png").write_bytes(png(3))
    columns = {"label": [0], "image_path": ["a.png"]}
    on_disk = build_dataset({"train": columns}, ["x"], image_root=folder)
    save_dataset(tmp_path / "p" / "other", on_disk, made.root)
    made.root.rename(tmp_path / "moved")
    found = load_dataset(tmp_path / "moved" / "other", tmp_path / "moved")
    assert found.train.image_bytes(0) == png(3)


def test_a_hub_name_is_not_taken_for_a_path(tmp_path):
    files = {"train": SourceFile("hub", "owner/name", "")}
    data = replace(dataset(12), source=SourceInfo(files))
    made = Project.create(tmp_path / "p", "P", data, "minilm")
    assert Project.open(made.root).dataset.source.files["train"].path == "owner/name"


@pytest.mark.parametrize(
    "changes",
    [
        {"splits": {"train": 12, "../../secret": 3}},
        {"splits": {"test": 3}},
        {"splits": {"train": "many"}},
        {"splits": {}},
        {"modality": "smell"},
        {"classes": "ab"},
        {"image_root": 5},
        {"source": {"files": {"train": {"kind": 1}}}},
        {"fingerprint": "0" * 64},
    ],
)
def test_a_bent_header_is_refused(tmp_path, changes):
    made = project(tmp_path / "p", n=12)
    path = made.root / "data" / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(TurnoverError, match=r"dataset\.json"):
        _ = Project.open(made.root).dataset


def test_a_lost_table_is_named(tmp_path):
    made = project(tmp_path / "p", n=12)
    (made.root / "data" / "test.parquet").unlink()
    assert read_header(made.root / "data").splits["test"] == 4
    with pytest.raises(TurnoverError, match=r"test\.parquet is missing or damaged"):
        _ = Project.open(made.root).dataset


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_dataset(folder, dataset(12), folder)
    return folder


@pytest.mark.parametrize("note", [b"\xfe", b"", b"[]", b'{"info": {"features": {"x": 7}}}'])
def test_damaged_notes_of_a_library_beside_a_table_do_no_harm(saved, tmp_path, note):
    shutil.copytree(saved, tmp_path / "data")
    path = tmp_path / "data" / "train.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"huggingface": note}), path)
    assert load_dataset(tmp_path / "data", tmp_path).train.texts() == dataset(12).train.texts()


@given(
    st.sampled_from(["dataset.json", "train.parquet"]),
    st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_any_damage_is_the_data_or_an_error_of_ours(saved, name, damage):
    before = (saved / name).read_bytes()
    data = bytearray(before)
    for place, value in damage:
        data[place % len(data)] = value
    (saved / name).write_bytes(bytes(data))
    try:
        found = load_dataset(saved, saved)
        assert found.train.keys.dtype == np.uint64
        found.train.texts()
    except TurnoverError as error:
        assert str(saved) in str(error)
    finally:
        (saved / name).write_bytes(before)
