"""Each format with rows gone and relabelled, what is recorded, and the way back."""

import io

import datasets
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from exported import ROWS, as_expected, csv_of, small_frame, two_edits
from PIL import Image

from influence_core.data.build import build_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import StoreError
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import Manifest, manifest_path
from influence_core.store.exports.revert import revert


def test_csv_to_csv_is_edited_recorded_and_reverted(tmp_path):
    source = csv_of(tmp_path)
    dataset = read_source(source)
    edits = two_edits(dataset)
    out = tmp_path / "exports" / "clean.csv"
    manifest = export(dataset, edits, out, run="20260131-run")
    pd.testing.assert_frame_equal(
        pd.read_csv(out, dtype={"id": str}), as_expected(edits), check_exact=False
    )
    saved = Manifest.read(manifest_path(out, folder=False))
    assert saved == manifest
    assert saved.counts == {"remove": 1, "relabel": 1, "rows": ROWS - 1}
    assert saved.source["path"] == source.name
    assert str(tmp_path) not in manifest_path(out, folder=False).read_text()
    assert saved.provenance["run"] == "20260131-run"
    assert saved.provenance["dataset_fingerprint"] == dataset.fingerprint
    assert [e.who for e in saved.edits] == ["ada", "ada"]
    assert "valid, test" in saved.notes[0]
    revert(manifest_path(out, folder=False), tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
def test_named_numbers_and_joined_texts_are_written_as_the_source_has_them(tmp_path, form):
    frame = small_frame().assign(label=[i % 2 for i in range(ROWS)], more="also")
    source = tmp_path / "data.csv"
    frame.to_csv(source, index=False)
    options = ReadOptions(classes=("neg", "pos"), content_column="text,more")
    dataset = read_source(source, options)
    edits = two_edits(dataset)
    out = tmp_path / "out"
    export(dataset, edits, out, form)
    if form == "csv":
        found = pd.read_csv(out, dtype={"id": str})
    elif form == "parquet":
        found = pq.read_table(out).to_pandas()
    else:
        found = datasets.load_from_disk(str(out)).to_pandas()
    assert list(found.columns) == list(frame.columns)
    wanted = frame.set_index("id")
    for edit in edits:
        if edit.new_label is not None:
            wanted.loc[edit.id, "label"] = 1 - wanted.loc[edit.id, "label"]
    gone = {edit.id for edit in edits if edit.new_label is None}
    labels = dict(zip(found["id"], found["label"].astype(int), strict=True))
    assert labels == {i: n for i, n in wanted["label"].items() if i not in gone}


def test_no_edits_copy_the_source(tmp_path):
    source = csv_of(tmp_path)
    export(read_source(source), [], tmp_path / "clean.csv")
    assert (tmp_path / "clean.csv").read_bytes() == source.read_bytes()


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "memory", "from_project"])
def test_any_table_exports_to_any_format(tmp_path, kind, form):
    options = ReadOptions(bad_rows="drop")
    if kind == "parquet":
        small_frame().to_parquet(tmp_path / "data.parquet", index=False)
        dataset = read_source(tmp_path / "data.parquet", options)
    elif kind == "memory":
        dataset = build_dataset({"train": small_frame()}, ["neg", "pos"])
    else:
        # A line of the wrong width is left out, so records and rows are numbered differently.
        text = csv_of(tmp_path).read_text().split("\n", 1)
        (tmp_path / "data.csv").write_text(f"{text[0]}\nragged\n{text[1]}")
        dataset = read_source(tmp_path / "data.csv", options)
    edits = two_edits(dataset)
    out = tmp_path / "clean"
    export(dataset, edits, out, form, ExportOptions(from_project=kind == "from_project"))
    if form == "csv":
        made = pd.read_csv(out, dtype={"id": str})
    elif form == "parquet":
        made = pd.read_parquet(out)
    else:
        loaded = datasets.load_from_disk(str(out))
        made = loaded.to_pandas()
        if isinstance(loaded.features["label"], datasets.ClassLabel):
            made["label"] = loaded.features["label"].int2str(loaded["label"][:])
    ids = (
        list(dataset.train.ids) if kind in ("memory", "from_project") else list(small_frame()["id"])
    )
    gone, changed = edits
    expected = small_frame().set_index("id").loc[ids].drop(gone.id)
    expected.loc[changed.id, "label"] = changed.new_label
    made = made[made["id"] != "ragged"]
    if form == "parquet" and kind in ("memory", "from_project"):
        made["label"] = [dataset.classes[i] for i in made["label"]]
    assert made["id"].tolist() == expected.index.tolist()
    assert made["label"].tolist() == expected["label"].tolist()
    assert made["text"].tolist() == expected["text"].tolist()
    assert np.allclose(made["score"].astype(float), expected["score"])


def test_pictures_in_a_table_are_no_csv(tmp_path):
    buffer = io.BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG")
    columns = {"image": [buffer.getvalue()] * 4, "label": [0, 1, 0, 1]}
    dataset = build_dataset({"train": columns}, ["a", "b"])
    with pytest.raises(StoreError, match=r"Column 'image' .* a CSV cannot"):
        export(dataset, [], tmp_path / "clean.csv", "csv")


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
@pytest.mark.parametrize("kind", ["read", "built"])
def test_columns_that_are_called_like_ours_keep_name_and_values(tmp_path, kind, form):
    ours = ["label", "source_label", "source_year", "id", "source_id", "key", "row", "content_hash"]
    frame = pd.DataFrame({name: [f"{name}-{i}" for i in range(ROWS)] for name in ours})
    if kind == "read":
        frame["category"] = small_frame()["label"]
        frame["words"] = small_frame()["text"]
        frame.to_csv(tmp_path / "data.csv", index=False)
        roles = ReadOptions(
            label_column="category", content_column="words", id_column="",
            valid_share=0, test_share=0,
        )  # fmt: skip
        dataset = read_source(tmp_path / "data.csv", roles)
    else:
        frame = frame.drop(columns=["key", "row", "content_hash"])
        frame["label"], frame["text"] = small_frame()["label"], small_frame()["text"]
        dataset = build_dataset({"train": frame}, ["neg", "pos"])
    out = tmp_path / "clean"
    export(dataset, [], out, form, ExportOptions(from_project=True))
    if form == "hf":
        made = datasets.load_from_disk(str(out)).to_pandas()
    else:
        made = pd.read_csv(out) if form == "csv" else pd.read_parquet(out)
    assert sorted(made.columns) == sorted(frame.columns)
    rows = frame.iloc[dataset.train.rows].reset_index(drop=True)
    named = "category" if kind == "read" else "label"
    if made[named].dtype.kind in "iu":
        made[named] = [dataset.classes[i] for i in made[named]]
    pd.testing.assert_frame_equal(made[sorted(made.columns)], rows[sorted(rows.columns)],
                                  check_dtype=False)  # fmt: skip
