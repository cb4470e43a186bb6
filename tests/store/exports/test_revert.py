"""Ways back from an export, and manifests that were changed."""

import base64
import json
from pathlib import Path

import pytest
from exported import all_bytes, csv_of, two_edits

from influence_core.data.readers.registry import read_source
from influence_core.errors import MismatchError, StoreError, TurnoverError
from influence_core.store.exports.edits import ExportOptions
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert


def _exported(tmp_path: Path, form: str = "csv") -> tuple[Path, Path]:
    dataset = read_source(csv_of(tmp_path))
    edits = two_edits(dataset)
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
    dataset = read_source(csv_of(tmp_path))
    edits = two_edits(dataset)
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
    before = all_bytes(tmp_path)
    with pytest.raises(TurnoverError):
        revert(manifest, tmp_path / "back" / "file")
    assert all_bytes(tmp_path) == before
    assert out.is_file()


def test_reverting_replaces_nothing_unasked(tmp_path):
    _, manifest = _exported(tmp_path)
    (tmp_path / "back.csv").write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        revert(manifest, tmp_path / "back.csv")
    revert(manifest, tmp_path / "back.csv", overwrite=True)
    assert (tmp_path / "back.csv").read_bytes() == (tmp_path / "data.csv").read_bytes()
