import base64
import io
import json
import zipfile
from pathlib import Path

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edits import Why, make_edits
from PIL import Image
from tiny import png

from influence_core.data.build import build_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import MismatchError, StoreError, TurnoverError
from influence_core.store.exports.edits import ExportOptions, natural_format
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import Manifest, manifest_path
from influence_core.store.exports.revert import revert
from influence_core.workflow.projects.create import NewProject, create

ROWS = 24
WHY = Why("flipped-ridge", who="ada", when="2026-01-31T00:00:00+00:00")


def _frame() -> pd.DataFrame:
    numbers = range(ROWS)
    return pd.DataFrame(
        {
            "id": [f"{i:03d}" for i in numbers],
            "text": [f'Row {i}, "so" to speak\n😀' for i in numbers],
            "label": [["neg", "pos"][i % 2] for i in numbers],
            "score": np.linspace(-1, 1, ROWS),
        }
    )


def _edits(dataset):
    """Remove the first training row and relabel the second to the other class."""
    train = dataset.train
    new = dataset.classes[1 - int(train.labels[1])]
    return make_edits(dataset, {int(train.keys[0]): None, int(train.keys[1]): new}, WHY)


def _csv(tmp_path: Path) -> Path:
    path = tmp_path / "data.csv"
    _frame().to_csv(path, index=False)
    return path


def _expected(edits) -> pd.DataFrame:
    """The oracle: the same edits in pandas, by record of the source."""
    frame = _frame()
    for edit in edits:
        frame.loc[edit.row, "label"] = edit.new_label
    return frame.drop([e.row for e in edits if e.new_label is None]).reset_index(drop=True)


def test_csv_to_csv_is_edited_recorded_and_reverted(tmp_path):
    source = _csv(tmp_path)
    dataset = read_source(source)
    edits = _edits(dataset)
    out = tmp_path / "exports" / "clean.csv"
    manifest = export(dataset, edits, out, run="20260131-run")
    pd.testing.assert_frame_equal(
        pd.read_csv(out, dtype={"id": str}), _expected(edits), check_exact=False
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
    frame = _frame().assign(label=[i % 2 for i in range(ROWS)], more="also")
    source = tmp_path / "data.csv"
    frame.to_csv(source, index=False)
    options = ReadOptions(classes=("neg", "pos"), content_column="text,more")
    dataset = read_source(source, options)
    edits = _edits(dataset)
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
    source = _csv(tmp_path)
    export(read_source(source), [], tmp_path / "clean.csv")
    assert (tmp_path / "clean.csv").read_bytes() == source.read_bytes()


def _parquet(path: Path) -> pa.Table:
    frame = _frame()
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
    edits = _edits(dataset)
    export(dataset, edits, out)
    made = pq.read_table(out)
    assert pq.read_schema(out).equals(pq.read_schema(source), check_metadata=True)
    assert pq.read_schema(out).metadata[b"origin"] == b"a test"
    expected = _expected(edits)
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
        export(dataset, _edits(dataset), tmp_path / "clean.parquet")
    assert not (tmp_path / "clean.parquet").exists()


def test_parquet_parts_become_parts(tmp_path):
    root, out = tmp_path / "hub", tmp_path / "clean"
    frame = _frame()
    (root / "data").mkdir(parents=True)
    for i in range(2):
        part = frame.iloc[i * 12 : i * 12 + 12]
        part.to_parquet(root / "data" / f"train-0000{i}-of-00002.parquet", index=False)
    dataset = read_source(root)
    edits = _edits(dataset)
    export(dataset, edits, out)
    parts = sorted(out.glob("data/*.parquet"))
    assert len(parts) == 2
    made = pd.concat([pd.read_parquet(p) for p in parts], ignore_index=True)
    pd.testing.assert_frame_equal(made, _expected(edits))
    revert(out / "manifest.json", tmp_path / "back")
    for part in root.glob("data/*"):
        assert (tmp_path / "back" / "data" / part.name).read_bytes() == part.read_bytes()


def test_hf_folder_keeps_features_and_the_way_back(tmp_path):
    root, out = tmp_path / "hf", tmp_path / "clean"
    data = datasets.Dataset.from_pandas(_frame(), preserve_index=False)
    data = data.cast_column("label", datasets.ClassLabel(names=["neg", "pos"]))
    parts = {"validation": data.select(range(6)), "training": data}
    datasets.DatasetDict(parts).save_to_disk(root)
    dataset = read_source(root)
    edits = _edits(dataset)
    export(dataset, edits, out)
    made = datasets.load_from_disk(str(out))["training"]
    assert made.features == data.features
    labels = made.features["label"].int2str(made["label"][:])
    assert labels == _expected(edits)["label"].tolist()
    revert(out / "manifest.json", tmp_path / "back")
    for part in (root / "training").iterdir():
        assert (tmp_path / "back" / "training" / part.name).read_bytes() == part.read_bytes()


def test_a_changed_hf_folder_is_refused(tmp_path):
    data = datasets.Dataset.from_pandas(_frame(), preserve_index=False)
    data.save_to_disk(tmp_path / "hf")
    dataset = read_source(tmp_path / "hf")
    other = _frame().assign(text="something else")
    datasets.Dataset.from_pandas(other, preserve_index=False).save_to_disk(tmp_path / "hf2")
    (tmp_path / "hf").rename(tmp_path / "old")
    (tmp_path / "hf2").rename(tmp_path / "hf")
    with pytest.raises(MismatchError, match="changed since it was imported"):
        export(dataset, [], tmp_path / "clean")
    assert not (tmp_path / "clean").exists()


def _pictures(root: Path) -> None:
    for i in range(10):
        for name in ("cat", "dog"):
            path = root / name / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            colour = (i * 20, 10 if name == "cat" else 200, i)
            Image.new("RGB", (4, 4), colour).save(path)


def test_image_folder_becomes_list_and_tree_and_back(tmp_path):
    root, out = tmp_path / "pets", tmp_path / "clean"
    _pictures(root)
    dataset = read_source(root)
    edits = _edits(dataset)
    export(dataset, edits, out, options=ExportOptions(copy_images=True))
    listed = pd.read_csv(out / "images.csv")
    changed = edits[1]
    old = dataset.train.table.column("image_path").to_pylist()
    assert len(listed) == 19
    assert old[0] not in set(listed["image_path"])
    assert (out / "removed" / old[0]).is_file()
    assert listed.set_index("image_path")["label"][old[1]] == changed.new_label
    tree = [p.relative_to(out / "images") for p in (out / "images").rglob("*.png")]
    assert len(tree) == 19
    # The other class has a picture of this name already, so the moved one carries its key.
    assert Path(changed.new_label, f"{Path(old[1]).stem}-{changed.key:016x}.png") in tree
    revert(out / "manifest.json", tmp_path / "back")
    names = sorted(p.relative_to(root) for p in root.rglob("*.png"))
    assert names == sorted(
        p.relative_to(tmp_path / "back") for p in (tmp_path / "back").rglob("*.png")
    )
    for name in names:
        assert (tmp_path / "back" / name).read_bytes() == (root / name).read_bytes()


@pytest.mark.parametrize("outer", ["", "pets/"])
@pytest.mark.parametrize("splits", [(), ("train", "val")])
@pytest.mark.parametrize("copy", [False, True])
def test_a_zip_exports_its_list_and_on_request_its_folders(tmp_path, outer, splits, copy):
    places = [f"{split}/" for split in splits] or [""]
    with zipfile.ZipFile(tmp_path / "pets.zip", "w") as opened:
        for number, place in enumerate(places):
            for i in range(10):
                for name, shade in (("cat", 20), ("dog", 140)):
                    data = png(shade + 10 * number + i)
                    opened.writestr(f"{outer}{place}{name}/{i}.png", data)
    dataset = create(NewProject(str(tmp_path / "pets.zip")), tmp_path / "home").dataset
    edits, out = _edits(dataset), tmp_path / "clean"
    made = export(dataset, edits, out, options=ExportOptions(copy_images=copy))
    assert natural_format(dataset) == made.format == "folder"
    assert made.notes[0].startswith("The source was a ZIP: pictures are listed by their paths")
    listed = pd.read_csv(out / "images.csv").set_index("image_path")
    assert len(listed) == 20 * len(places) - 1
    assert edits[0].id not in listed.index
    assert listed["label"][edits[1].id] == edits[1].new_label
    assert (out / "images").exists() == copy
    revert(out / "manifest.json", tmp_path / ("back" if copy else "all.csv"))
    if not copy:
        assert len(pd.read_csv(tmp_path / "all.csv")) == 20 * len(places)
        return
    moved = Path(edits[1].id).parts
    place = "/".join((*moved[:-2], str(edits[1].new_label)))
    assert [p for p in (out / "images" / place).iterdir() if f"{edits[1].key:016x}" in p.name]
    with zipfile.ZipFile(tmp_path / "pets.zip") as opened:
        for name in opened.namelist():
            file = tmp_path / "back" / name.removeprefix(outer)
            assert file.read_bytes() == opened.read(name)


def test_list_of_an_image_folder_reverts_to_the_whole_list(tmp_path):
    _pictures(tmp_path / "pets")
    dataset = read_source(tmp_path / "pets")
    edits = _edits(dataset)
    export(dataset, edits, tmp_path / "clean")
    assert not (tmp_path / "clean" / "images").exists()
    revert(tmp_path / "clean" / "manifest.json", tmp_path / "all.csv")
    assert len(pd.read_csv(tmp_path / "all.csv")) == 20


def test_a_swapped_picture_is_refused(tmp_path):
    _pictures(tmp_path / "pets")
    dataset = read_source(tmp_path / "pets")
    Image.new("RGB", (9, 9)).save(tmp_path / "pets" / "cat" / "3.png")
    with pytest.raises(MismatchError, match="changed since it was imported"):
        export(dataset, [], tmp_path / "clean")


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "memory", "from_project"])
def test_any_table_exports_to_any_format(tmp_path, kind, form):
    options = ReadOptions(bad_rows="drop")
    if kind == "parquet":
        _frame().to_parquet(tmp_path / "data.parquet", index=False)
        dataset = read_source(tmp_path / "data.parquet", options)
    elif kind == "memory":
        dataset = build_dataset({"train": _frame()}, ["neg", "pos"])
    else:
        # A line of the wrong width is left out, so records and rows are numbered differently.
        text = _csv(tmp_path).read_text().split("\n", 1)
        (tmp_path / "data.csv").write_text(f"{text[0]}\nragged\n{text[1]}")
        dataset = read_source(tmp_path / "data.csv", options)
    edits = _edits(dataset)
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
    ids = list(dataset.train.ids) if kind in ("memory", "from_project") else list(_frame()["id"])
    gone, changed = edits
    expected = _frame().set_index("id").loc[ids].drop(gone.id)
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


# -- refusals: each leaves everything as it was ---------------------------------------------------


def _kept(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_target_that_exists_is_refused_unless_overwritten(tmp_path):
    dataset = read_source(_csv(tmp_path))
    edits = _edits(dataset)
    out = tmp_path / "clean.csv"
    export(dataset, [], out)
    before = _kept(tmp_path)
    with pytest.raises(StoreError, match="exists already"):
        export(dataset, edits, out)
    assert _kept(tmp_path) == before
    export(dataset, edits, out, options=ExportOptions(overwrite=True))
    revert(manifest_path(out, folder=False), tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "data.csv").read_bytes()


@pytest.mark.parametrize("form", ["hf", "parquet"])
def test_overwriting_leaves_one_export_and_nothing_else(tmp_path, form):
    dataset = read_source(_csv(tmp_path))
    edits = _edits(dataset)
    home = tmp_path / "exports"
    again = ExportOptions(overwrite=True)
    export(dataset, [], home / "clean", form, again)
    names = len(list(home.iterdir()))
    export(dataset, edits, home / "clean", form, again)
    assert len(list(home.iterdir())) == names
    assert [Manifest.read(m).counts["remove"] for m in home.rglob("*manifest.json")] == [1]


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path):
    dataset = read_source(_csv(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(StoreError, match="no earlier export"):
        export(dataset, [], tmp_path / "mine", "hf", ExportOptions(overwrite=True))
    assert (tmp_path / "mine" / "letter.txt").read_text() == "keep me"


def test_the_source_itself_is_never_overwritten(tmp_path):
    source = _csv(tmp_path)
    dataset = read_source(source)
    edits = _edits(dataset)
    before = _kept(tmp_path)
    with pytest.raises(StoreError, match="is the source itself"):
        export(dataset, edits, source, options=ExportOptions(overwrite=True))
    assert _kept(tmp_path) == before


def test_a_source_that_changed_or_went_is_refused(tmp_path):
    source = _csv(tmp_path)
    dataset = read_source(source)
    edits = _edits(dataset)
    source.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(MismatchError, match="has changed since it was imported"):
        export(dataset, edits, tmp_path / "clean.csv")
    source.unlink()
    with pytest.raises(MismatchError, match="not there any more"):
        export(dataset, edits, tmp_path / "clean.csv")
    assert _kept(tmp_path) == {}
    # The project's own rows are always there.
    export(dataset, edits, tmp_path / "clean.csv", options=ExportOptions(from_project=True))
    assert len(pd.read_csv(tmp_path / "clean.csv")) == len(dataset.train) - 1


def test_an_unwritable_place_is_one_sentence(tmp_path):
    dataset = read_source(_csv(tmp_path))
    with pytest.raises(
        StoreError,
        match=r"part of the path is a file, not a folder|a file stands where a folder is needed",
    ):
        export(dataset, [], tmp_path / "data.csv" / "clean.csv")


def test_edits_of_other_data_are_refused(tmp_path):
    dataset = read_source(_csv(tmp_path))
    edits = _edits(dataset)
    other = build_dataset({"train": {"text": ["x", "y"], "label": [0, 1]}}, ["neg", "pos"])
    with pytest.raises(MismatchError, match="about other data"):
        export(other, edits, tmp_path / "clean.csv")


def test_two_decisions_on_a_row_are_refused(tmp_path):
    dataset = read_source(_csv(tmp_path))
    edits = _edits(dataset)
    with pytest.raises(StoreError, match="has two decisions"):
        export(dataset, [*edits, edits[0]], tmp_path / "clean.csv")


def test_a_label_that_is_no_class_is_refused(tmp_path):
    dataset = read_source(_csv(tmp_path))
    edits = make_edits(dataset, {int(dataset.train.keys[0]): "posi"}, WHY)
    with pytest.raises(StoreError, match=r"'posi' .* is no class"):
        export(dataset, edits, tmp_path / "clean.csv")


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("xml", ExportOptions()),
        ("hf", ExportOptions(spreadsheet_safe=True)),
        ("csv", ExportOptions(copy_images=True)),
        ("folder", ExportOptions()),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, form, options):
    dataset = read_source(_csv(tmp_path))
    with pytest.raises(StoreError, match=r"no format 'xml'; there are \['csv'|Only "):
        export(dataset, [], tmp_path / "clean", form, options)
    assert not (tmp_path / "clean").exists()


def test_a_safe_csv_says_what_it_changed_and_reverts(tmp_path):
    frame = _frame()
    frame.loc[3, "text"] = "=HYPERLINK()"
    frame.to_csv(tmp_path / "data.csv", index=False)
    dataset = read_source(tmp_path / "data.csv")
    edits = _edits(dataset)
    out = tmp_path / "clean.csv"
    manifest = export(dataset, edits, out, options=ExportOptions(spreadsheet_safe=True))
    assert "1 fields got an apostrophe" in manifest.notes[-1]
    assert "'=HYPERLINK()" in set(pd.read_csv(out)["text"])
    revert(manifest_path(out, folder=False), tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "data.csv").read_bytes()


# -- reverting ------------------------------------------------------------------------------------


def _exported(tmp_path: Path, form: str = "csv") -> tuple[Path, Path]:
    dataset = read_source(_csv(tmp_path))
    edits = _edits(dataset)
    out = tmp_path / f"clean-{form}"
    export(dataset, edits, out, form)
    folder = form == "hf"
    return out, manifest_path(out, folder)


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
def test_an_edited_export_is_not_reverted(tmp_path, form):
    out, manifest = _exported(tmp_path, form)
    victim = out / "state.json" if form == "hf" else out
    victim.write_bytes(victim.read_bytes()[:-1] + b"?")
    with pytest.raises(MismatchError, match="changed after it was exported"):
        revert(manifest, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_what_the_desktop_leaves_in_a_folder_is_no_edit(tmp_path):
    out, manifest = _exported(tmp_path, "hf")
    (out / ".DS_Store").write_text("")
    (out / "cache-0123456789abcdef.arrow").write_text("")
    revert(manifest, tmp_path / "back")
    assert (tmp_path / "back" / "state.json").is_file()


def test_an_export_without_original_says_so_and_is_not_reverted(tmp_path):
    dataset = read_source(_csv(tmp_path))
    edits = _edits(dataset)
    out = tmp_path / "clean.parquet"
    manifest = export(dataset, edits, out, "parquet", ExportOptions(keep_original=False))
    assert "cannot be reverted" in manifest.notes[-1]
    with pytest.raises(StoreError, match="keeps no way back"):
        revert(manifest_path(out, folder=False), tmp_path / "back.parquet")


def _tampered(manifest: Path, **changes) -> None:
    value = json.loads(manifest.read_text())
    for path, new in changes.items():
        *outer, last = path.split("__")
        inner = value
        for name in outer:
            inner = inner[name]
        inner[last] = new
    manifest.write_text(json.dumps(value))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../../etc/passwd"},
        {"revert__patches": [{"at": 0, "length": 0, "original": "?"}]},
        {"revert__patches": [{"at": -5, "length": 0, "original": ""}]},
        {"revert__patches": [{"at": 0, "length": 0, "original": base64.b64encode(b"x").decode()}]},
        {"revert__patches": [{"at": 10**9, "length": 0, "original": ""}]},
        {"revert__patches": None},
        {"edits": [{"row": 0}]},
        {"version": 99},
        {"sha256": "0" * 64},
        {"revert": {"kind": "files", "parts": ["../secret"]}},
        {"revert": {"kind": "file", "sha256": "../../../x"}},
        {"revert": {"kind": "tree", "moves": [{"old": "/etc/x", "new": "images/y"}]}},
    ],
)
def test_a_manifest_of_a_stranger_does_no_harm(tmp_path, changes):
    out, manifest = _exported(tmp_path)
    (tmp_path / "secret").write_text("secret")
    _tampered(manifest, **changes)
    before = _kept(tmp_path)
    with pytest.raises(TurnoverError):
        revert(manifest, tmp_path / "back" / "file")
    assert _kept(tmp_path) == before
    assert out.is_file()


def test_reverting_replaces_nothing_unasked(tmp_path):
    _, manifest = _exported(tmp_path)
    (tmp_path / "back.csv").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        revert(manifest, tmp_path / "back.csv")
    revert(manifest, tmp_path / "back.csv", overwrite=True)
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "data.csv").read_bytes()


@pytest.mark.parametrize("form", ["csv", "parquet", "hf"])
@pytest.mark.parametrize("kind", ["read", "built"])
def test_columns_that_are_called_like_ours_keep_name_and_values(tmp_path, kind, form):
    ours = ["label", "source_label", "source_year", "id", "source_id", "key", "row", "content_hash"]
    frame = pd.DataFrame({name: [f"{name}-{i}" for i in range(ROWS)] for name in ours})
    if kind == "read":
        frame["category"] = _frame()["label"]
        frame["words"] = _frame()["text"]
        frame.to_csv(tmp_path / "data.csv", index=False)
        roles = ReadOptions(
            label_column="category", content_column="words", id_column="",
            valid_share=0, test_share=0,
        )  # fmt: skip
        dataset = read_source(tmp_path / "data.csv", roles)
    else:
        frame = frame.drop(columns=["key", "row", "content_hash"])
        frame["label"], frame["text"] = _frame()["label"], _frame()["text"]
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
