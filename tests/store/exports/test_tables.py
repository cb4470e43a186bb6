"""Parquet files and saved data sets, exported and brought back."""

from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from exported import ROWS, as_expected, small_frame, two_edits

from influence_core.data.readers.registry import read_source
from influence_core.errors import MismatchError
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert


def _parquet(path: Path) -> pa.Table:
    frame = small_frame()
    table = pa.table(
        {
            "id": pa.array(frame["id"]),
            "text": pa.array(frame["text"]),
            "label": pa.array(frame["label"]).dictionary_encode(),
            "score": pa.array(frame["score"], pa.float32()),
            "tags": pa.array([[str(i)] for i in range(ROWS)], pa.list_(pa.string())),
        }
    ).replace_schema_metadata({"origin": "a test"})
    with pq.ParquetWriter(path, table.schema, compression="gzip") as writer:
        writer.write_table(table, row_group_size=10)
    return table


def test_parquet_keeps_schema_groups_and_the_way_back(tmp_path):
    source, out = tmp_path / "data.parquet", tmp_path / "clean.parquet"
    table = _parquet(source)
    dataset = read_source(source)
    edits = two_edits(dataset)
    export(dataset, edits, out)
    made = pq.read_table(out)
    assert pq.read_schema(out).equals(pq.read_schema(source), check_metadata=True)
    assert pq.read_schema(out).metadata[b"origin"] == b"a test"
    expected = as_expected(edits)
    assert made.column("label").to_pylist() == expected["label"].tolist()
    assert made.column("id").to_pylist() == expected["id"].tolist()
    tags = [t for t, i in zip(table["tags"].to_pylist(), table["id"].to_pylist(), strict=True)
            if i in set(expected["id"])]  # fmt: skip
    assert made.column("tags").to_pylist() == tags
    before, after = pq.read_metadata(source), pq.read_metadata(out)
    assert after.num_row_groups == before.num_row_groups
    assert {after.row_group(0).column(i).compression for i in range(5)} == {"GZIP"}
    revert(manifest_path(out, folder=False), tmp_path / "back.parquet")
    assert (tmp_path / "back.parquet").read_bytes() == source.read_bytes()


def test_parquet_damaged_since_the_import_is_refused_before_its_footer_is_asked(tmp_path):
    source = tmp_path / "data.parquet"
    _parquet(source)
    dataset = read_source(source)
    whole = source.read_bytes()
    label, gzip, unknown = b"\x05label", b"\x15\x04", b"\x15\x22"  # no codec has the number 17
    source.write_bytes(whole.replace(label + gzip, label + unknown))
    assert source.read_bytes() != whole
    with pytest.raises(MismatchError, match="changed since it was imported"):
        export(dataset, two_edits(dataset), tmp_path / "clean.parquet")
    assert not (tmp_path / "clean.parquet").exists()


def test_parquet_parts_become_parts(tmp_path):
    root, out = tmp_path / "hub", tmp_path / "clean"
    frame = small_frame()
    (root / "data").mkdir(parents=True)
    for i in range(2):
        part = frame.iloc[i * 12 : i * 12 + 12]
        part.to_parquet(root / "data" / f"train-0000{i}-of-00002.parquet", index=False)
    dataset = read_source(root)
    edits = two_edits(dataset)
    export(dataset, edits, out)
    parts = sorted(out.glob("data/*.parquet"))
    assert len(parts) == 2
    made = pd.concat([pd.read_parquet(p) for p in parts], ignore_index=True)
    pd.testing.assert_frame_equal(made, as_expected(edits))
    revert(out / "manifest.json", tmp_path / "back")
    for part in root.glob("data/*"):
        assert (tmp_path / "back" / "data" / part.name).read_bytes() == part.read_bytes()


def test_hf_folder_keeps_features_and_the_way_back(tmp_path):
    root, out = tmp_path / "hf", tmp_path / "clean"
    data = datasets.Dataset.from_pandas(small_frame(), preserve_index=False)
    data = data.cast_column("label", datasets.ClassLabel(names=["neg", "pos"]))
    parts = {"validation": data.select(range(6)), "training": data}
    datasets.DatasetDict(parts).save_to_disk(root)
    dataset = read_source(root)
    edits = two_edits(dataset)
    export(dataset, edits, out)
    made = datasets.load_from_disk(str(out))["training"]
    assert made.features == data.features
    labels = made.features["label"].int2str(made["label"][:])
    assert labels == as_expected(edits)["label"].tolist()
    revert(out / "manifest.json", tmp_path / "back")
    for part in (root / "training").iterdir():
        assert (tmp_path / "back" / "training" / part.name).read_bytes() == part.read_bytes()


def test_a_changed_hf_folder_is_refused(tmp_path):
    data = datasets.Dataset.from_pandas(small_frame(), preserve_index=False)
    data.save_to_disk(tmp_path / "hf")
    dataset = read_source(tmp_path / "hf")
    other = small_frame().assign(text="something else")
    datasets.Dataset.from_pandas(other, preserve_index=False).save_to_disk(tmp_path / "hf2")
    (tmp_path / "hf").rename(tmp_path / "old")
    (tmp_path / "hf2").rename(tmp_path / "hf")
    with pytest.raises(MismatchError, match="changed since it was imported"):
        export(dataset, [], tmp_path / "clean")
    assert not (tmp_path / "clean").exists()
