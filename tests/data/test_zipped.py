"""ZIPs of pictures: read without ever unpacking to a path that the archive names."""

import io
import zipfile

import pyarrow.parquet as pq
import pytest
from damage import EDITS, damaged
from hypothesis import given
from tiny import png

from influence_core.data import zipped
from influence_core.data.options import ReadOptions
from influence_core.data.readers import read_source
from influence_core.data.zipped import pack_pictures
from influence_core.errors import DataError


def archive(path, files, **how):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **how) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


def classes(prefix=""):
    return {
        f"{prefix}{name}/{i}.png": png(shade + i)
        for name, shade in (("cat", 40), ("dog", 200))
        for i in range(4)
    }


def test_classes_in_folders_become_a_data_set(tmp_path):
    extra = {"__MACOSX/cat/._0.png": b"x", "notes.txt": b"hello", "cat/.hidden.png": b"x"}
    path = archive(tmp_path / "a.zip", classes("pets/") | extra)
    assert pack_pictures(path, tmp_path / "a.parquet") == 8
    made = read_source(str(tmp_path / "a.parquet"), ReadOptions())
    assert made.classes == ("cat", "dog")
    assert made.modality == "image"
    assert sorted(i for split in made for i in split.ids) == sorted(classes())


def test_folders_named_like_splits_are_splits(tmp_path):
    path = archive(tmp_path / "a.zip", classes("train/") | classes("val/"))
    pack_pictures(path, tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    assert table["split"].to_pylist().count("valid") == 8
    made = read_source(str(tmp_path / "a.parquet"), ReadOptions(test_share=0.0))
    assert {split.name: len(split) for split in made} == {"train": 8, "valid": 8}


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"notes.txt": b"x"}, "no pictures"),
        ({"a.png": png(1), "cat/b.png": png(2)}, "no class folder"),
        ({"cat/a.png": b"<svg onload=x>"}, "not a readable PNG"),
        ({"cat/a.png": png(1)[:40]}, "not a readable PNG"),
    ],
)
def test_what_is_no_folder_of_pictures_is_one_sentence(tmp_path, files, sentence):
    with pytest.raises(DataError, match=sentence):
        pack_pictures(archive(tmp_path / "a.zip", files), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def test_names_lead_nowhere(tmp_path):
    files = {f"../../{name}": data for name, data in classes().items()} | {
        f"/etc/{name}": data for name, data in classes().items()
    }
    inner = tmp_path / "deep" / "deeper"
    inner.mkdir(parents=True)
    pack_pictures(archive(inner / "a.zip", files), inner / "a.parquet")
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert written == {"deep/deeper/a.zip", "deep/deeper/a.parquet"}


def test_a_bomb_is_refused_by_what_comes_out_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "MOST_PICTURE_BYTES", 1 << 20)
    path = archive(tmp_path / "a.zip", {"cat/a.png": png(1) + bytes(8 << 20)}, compresslevel=9)
    assert path.stat().st_size < 20_000
    # The directory lies about its size; it is not believed.
    with pytest.raises(DataError, match=r"too much at cat/a\.png"):
        pack_pictures(path, tmp_path / "a.parquet")
    monkeypatch.setattr(zipped, "MOST_PICTURE_BYTES", 50 << 20)
    monkeypatch.setattr(zipped, "MOST_BYTES", 1 << 20)
    with pytest.raises(DataError, match="too much"):
        pack_pictures(path, tmp_path / "a.parquet")


def test_a_picture_of_too_many_pixels_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", {"cat/a.png": png(0, (9000, 9000))})
    with pytest.raises(DataError, match="million pixels"):
        pack_pictures(path, tmp_path / "a.parquet")


def _whole():
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in classes().items():
            opened.writestr(name, data)
    return held.getvalue()


WHOLE = _whole()


@given(edits=EDITS)
def test_any_damage_is_pictures_or_an_error_of_ours(tmp_path_factory, edits):
    folder = tmp_path_factory.mktemp("z")
    path = folder / "a.zip"
    path.write_bytes(damaged(WHOLE, edits))
    try:
        assert pack_pictures(path, folder / "a.parquet") > 0
    except DataError as error:
        assert "a.zip" in str(error)
        assert not (folder / "a.parquet").exists()
