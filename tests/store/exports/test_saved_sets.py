"""Exports of several files of a split and of saved data sets."""

import datasets
import pandas as pd
import pytest
from edits import make_edits
from kinds import reviews, write
from kinds_exported import WHY, edits_of, expected, saved

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.store.exports.export import export
from influence_core.store.exports.revert import revert


def test_several_files_of_a_split_are_written_one_by_one(tmp_path):
    root, out = tmp_path / "many", tmp_path / "out"
    root.mkdir()
    write("a.csv", root, reviews(12)).rename(root / "train-1.csv")
    reviews(12, start=12).to_csv(root / "train-2.csv", sep=";", index=False)
    write("a.jsonl", root, reviews(4, start=90)).rename(root / "test.jsonl")
    data = read_source(str(root), ReadOptions(valid_share=0))
    assert {split.name: len(split) for split in data} == {"train": 24, "test": 4}
    keys = data.train.keys
    edits = make_edits(data, {int(keys[3]): None, int(keys[13]): "neg"}, WHY)
    export(data, edits, out)
    made = [pd.read_csv(out / "train-1.csv"), pd.read_csv(out / "train-2.csv", sep=";")]
    pd.testing.assert_frame_equal(pd.concat(made, ignore_index=True), expected(edits, reviews()))
    revert(out / "manifest.json", tmp_path / "back")
    for name in ("train-1.csv", "train-2.csv"):
        assert (tmp_path / "back" / name).read_bytes() == (root / name).read_bytes()


@pytest.mark.parametrize("edited", [False, True])
def test_a_saved_data_set_exports_all_its_splits(tmp_path, edited):
    root, out = saved(tmp_path / "saved", train=24, validation=6, test=5), tmp_path / "out"
    data = read_source(str(root))
    edits = edits_of(data) if edited else []
    export(data, edits, out)
    made = datasets.load_from_disk(str(out))
    assert {name: len(split) for name, split in made.items()} == {
        "train": 24 - edited, "validation": 6, "test": 5
    }  # fmt: skip
    files = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    for file in files:
        if not edited or file.parts[0] != "train":
            assert (out / file).read_bytes() == (root / file).read_bytes()
    revert(out / "manifest.json", tmp_path / "back")
    for file in files:
        assert (tmp_path / "back" / file).read_bytes() == (root / file).read_bytes()


def test_a_saved_data_set_beside_another_kind(tmp_path):
    root = saved(tmp_path / "saved", train=24) / "train"
    write("a.parquet", tmp_path, reviews(6, start=70))
    parts = {"train": str(root), "test": str(tmp_path / "a.parquet")}
    data = read_source(parts, ReadOptions(valid_share=0))
    export(data, edits_of(data), tmp_path / "out")
    assert len(datasets.load_from_disk(str(tmp_path / "out"))) == 23
