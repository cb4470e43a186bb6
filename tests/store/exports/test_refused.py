"""Exports that are refused in one sentence, and lose nothing."""

import pandas as pd
import pytest
from edits import make_edits
from exported import WHY, all_bytes, csv_of, small_frame, two_edits

from influence_core.data.build import build_dataset
from influence_core.data.readers.registry import read_source
from influence_core.errors import MismatchError, StoreError
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import Manifest, manifest_path
from influence_core.store.exports.revert import revert


def test_a_target_that_exists_is_refused_unless_overwritten(tmp_path):
    dataset = read_source(csv_of(tmp_path))
    edits = two_edits(dataset)
    out = tmp_path / "clean.csv"
    export(dataset, [], out)
    before = all_bytes(tmp_path)
    with pytest.raises(StoreError, match="exists already"):
        export(dataset, edits, out)
    assert all_bytes(tmp_path) == before
    export(dataset, edits, out, options=ExportOptions(overwrite=True))
    revert(manifest_path(out, folder=False), tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "data.csv").read_bytes()


@pytest.mark.parametrize("form", ["hf", "parquet"])
def test_overwriting_leaves_one_export_and_nothing_else(tmp_path, form):
    dataset = read_source(csv_of(tmp_path))
    edits = two_edits(dataset)
    home = tmp_path / "exports"
    again = ExportOptions(overwrite=True)
    export(dataset, [], home / "clean", form, again)
    names = len(list(home.iterdir()))
    export(dataset, edits, home / "clean", form, again)
    assert len(list(home.iterdir())) == names
    assert [Manifest.read(m).counts["remove"] for m in home.rglob("*manifest.json")] == [1]


def test_a_folder_that_is_no_export_is_never_replaced(tmp_path):
    dataset = read_source(csv_of(tmp_path))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(StoreError, match="no earlier export"):
        export(dataset, [], tmp_path / "mine", "hf", ExportOptions(overwrite=True))
    assert (tmp_path / "mine" / "letter.txt").read_text() == "keep me"


def test_the_source_itself_is_never_overwritten(tmp_path):
    source = csv_of(tmp_path)
    dataset = read_source(source)
    edits = two_edits(dataset)
    before = all_bytes(tmp_path)
    with pytest.raises(StoreError, match="is the source itself"):
        export(dataset, edits, source, options=ExportOptions(overwrite=True))
    assert all_bytes(tmp_path) == before


def test_a_source_that_changed_or_went_is_refused(tmp_path):
    source = csv_of(tmp_path)
    dataset = read_source(source)
    edits = two_edits(dataset)
    source.write_bytes(source.read_bytes() + b"\n")
    with pytest.raises(MismatchError, match="has changed since it was imported"):
        export(dataset, edits, tmp_path / "clean.csv")
    source.unlink()
    with pytest.raises(MismatchError, match="not there any more"):
        export(dataset, edits, tmp_path / "clean.csv")
    assert all_bytes(tmp_path) == {}
    # The project's own rows are always there.
    export(dataset, edits, tmp_path / "clean.csv", options=ExportOptions(from_project=True))
    assert len(pd.read_csv(tmp_path / "clean.csv")) == len(dataset.train) - 1


def test_an_unwritable_place_is_one_sentence(tmp_path):
    dataset = read_source(csv_of(tmp_path))
    with pytest.raises(
        StoreError,
        match=r"part of the path is a file, not a folder|a file stands where a folder is needed",
    ):
        export(dataset, [], tmp_path / "data.csv" / "clean.csv")


def test_edits_of_other_data_are_refused(tmp_path):
    dataset = read_source(csv_of(tmp_path))
    edits = two_edits(dataset)
    other = build_dataset({"train": {"text": ["x", "y"], "label": [0, 1]}}, ["neg", "pos"])
    with pytest.raises(MismatchError, match="about other data"):
        export(other, edits, tmp_path / "clean.csv")


def test_two_decisions_on_a_row_are_refused(tmp_path):
    dataset = read_source(csv_of(tmp_path))
    edits = two_edits(dataset)
    with pytest.raises(StoreError, match="has two decisions"):
        export(dataset, [*edits, edits[0]], tmp_path / "clean.csv")


def test_a_label_that_is_no_class_is_refused(tmp_path):
    dataset = read_source(csv_of(tmp_path))
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
    dataset = read_source(csv_of(tmp_path))
    with pytest.raises(StoreError, match=r"no format 'xml'; there are \['csv'|Only "):
        export(dataset, [], tmp_path / "clean", form, options)
    assert not (tmp_path / "clean").exists()


def test_a_safe_csv_says_what_it_changed_and_reverts(tmp_path):
    frame = small_frame()
    frame.loc[3, "text"] = "=HYPERLINK()"
    frame.to_csv(tmp_path / "data.csv", index=False)
    dataset = read_source(tmp_path / "data.csv")
    edits = two_edits(dataset)
    out = tmp_path / "clean.csv"
    manifest = export(dataset, edits, out, options=ExportOptions(spreadsheet_safe=True))
    assert "1 fields got an apostrophe" in manifest.notes[-1]
    assert "'=HYPERLINK()" in set(pd.read_csv(out)["text"])
    revert(manifest_path(out, folder=False), tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "data.csv").read_bytes()
