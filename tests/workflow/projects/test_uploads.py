"""Uploads stay below their folder, whatever they are called, and do not pile up."""

import io
import os
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.errors import CancelledError, DataError
from influence_core.store.project import Project
from influence_core.workflow.projects import uploads
from influence_core.workflow.projects.account import account_of
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.projects.findings import findings_of
from influence_core.workflow.projects.uploads import forget_upload, keep_upload, safe_name


@given(st.text(max_size=200), st.sampled_from([".csv", ".TSV", ".parquet", ""]))
def test_any_name_becomes_one_plain_file_name(text, suffix):
    name = safe_name(text + suffix)
    assert Path(name).name == name
    assert name not in ("", ".", "..")
    assert name.isascii()
    assert len(name) <= 80
    assert Path(safe_name(name)).suffix == Path(name).suffix


def test_an_upload_lies_below_its_folder_and_is_forgotten(tmp_path):
    path = keep_upload(tmp_path, "../../etc/evil name.csv", b"text,label\n")
    assert path.parent.parent == tmp_path / ".uploads"
    assert path.name == "evil_name.csv"
    assert path.read_bytes() == b"text,label\n"
    forget_upload(tmp_path, path)
    assert not path.parent.exists()


def test_only_uploads_are_forgotten(tmp_path):
    other = tmp_path / "mine" / "data.csv"
    other.parent.mkdir()
    other.write_text("text,label\n")
    forget_upload(tmp_path, other)
    assert other.exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [("a.csv", b"", "empty"), ("a.pkl", b"x", "none of these"), ("model.pt", b"x", "none of")],
)
def test_refused_uploads_leave_nothing(tmp_path, name, content, sentence):
    with pytest.raises(DataError, match=sentence):
        keep_upload(tmp_path, name, content)
    assert not list(tmp_path.iterdir())


def test_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_MEGABYTES", 0)
    with pytest.raises(DataError, match="larger than"):
        keep_upload(tmp_path, "a.csv", b"x")


def test_old_uploads_go_when_the_next_one_comes(tmp_path):
    old = keep_upload(tmp_path, "a.csv", b"x")
    long_ago = time.time() - uploads.KEPT_SECONDS - 60
    os.utime(old.parent, (long_ago, long_ago))
    new = keep_upload(tmp_path, "b.csv", b"x")
    assert not old.exists()
    assert new.exists()


def pets(path, prefix="", shades=(("cat", 40), ("dog", 200)), n=10):
    """A ZIP of class folders, and beside it the same folder unpacked."""
    with zipfile.ZipFile(path, "w") as opened:
        for name, shade in shades:
            for i in range(n):
                file = f"{prefix}{name}/{i}.png"
                opened.writestr(file, png(shade + i))
                (path.with_suffix("") / file).parent.mkdir(parents=True, exist_ok=True)
                (path.with_suffix("") / file).write_bytes(png(shade + i))
    return path


@pytest.mark.parametrize("kind", [None, "folder"])
def test_a_project_of_a_zip_holds_what_that_of_its_folder_holds(tmp_path, kind):
    archive, home = pets(tmp_path / "pets.zip"), tmp_path / "home"
    made = create(NewProject(str(archive), options=ReadOptions(kind=kind)), home)
    other = create(NewProject(str(archive.with_suffix("")), name="other"), home)
    assert made.root.name == "pets"
    assert made.dataset.classes == other.dataset.classes == ("cat", "dog")
    for one, two in zip(made.dataset, other.dataset, strict=True):
        assert (one.name, len(one)) == (two.name, len(two))
        assert Counter(one.labels.tolist()) == Counter(two.labels.tolist())
    findings, others = (findings_of(p.dataset, p.settings.encoder) for p in (made, other))
    assert [f.what for f in findings] == [f.what for f in others]
    accounts = [
        account_of(p.dataset.source, {s.name: len(s) for s in p.dataset}) for p in (made, other)
    ]
    assert [a.chosen["kind"].split()[0] for a in accounts] == ["ZIP", "Folder"]
    assert accounts[0].left_out[:1] == accounts[1].left_out[:1]
    assert not list((home / uploads.FOLDER).iterdir())
    archive.unlink()
    assert Project.open(made.root).dataset.train.image_bytes(0)


def test_splits_come_from_a_zip_each(tmp_path):
    train, test = pets(tmp_path / "pets.zip"), pets(tmp_path / "later.zip", n=3)
    wish = NewProject(str(train), test=str(test), options=ReadOptions(valid_share=0.2))
    made = create(wish, tmp_path / "home")
    assert {split.name: len(split) for split in made.dataset} == {
        "train": 16, "valid": 4, "test": 6
    }  # fmt: skip


def test_a_refused_or_stopped_zip_makes_no_project_and_leaves_nothing(tmp_path):
    home = tmp_path / "home"
    archive = pets(tmp_path / "pets.zip")
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        create(NewProject(str(archive)), home, cancel=stop)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr("../../cat/evil.png", png(1))
    with pytest.raises(DataError, match="leads out"):
        create(NewProject(str(archive)), home)
    assert [p.name for p in home.rglob("*")] == [uploads.FOLDER]
    assert archive.exists()


def test_a_zip_of_pictures_is_kept_as_parquet_and_a_bad_one_not_at_all(tmp_path):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as opened:
        opened.writestr("cat/a.png", png(1))
        opened.writestr("dog/b.png", png(200))
    path = keep_upload(tmp_path, "my pets.zip", held.getvalue())
    assert path.name == "my_pets.parquet"
    assert [p.name for p in path.parent.iterdir()] == ["my_pets.parquet"]
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match="no ZIP"):
        keep_upload(tmp_path, "bad.zip", b"PK\x03\x04 nothing")
    assert sorted(tmp_path.rglob("*")) == before
