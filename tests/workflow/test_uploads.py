"""Uploads stay below their folder, whatever they are called, and do not pile up."""

import io
import os
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import png

from influence_core.errors import DataError
from influence_core.workflow import uploads
from influence_core.workflow.uploads import forget_upload, keep_upload, safe_name


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
