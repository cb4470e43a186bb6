"""ZIPs of pictures: read without ever unpacking to a path that the archive names."""

import io
import stat
import zipfile

import pyarrow.parquet as pq
import pytest
from damage import EDITS, damaged
from hypothesis import given
from hypothesis import strategies as st
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.data.readers import zip_file as zipped
from influence_core.data.readers.registry import read_source
from influence_core.data.readers.zip_file import pack_pictures
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
    ],
)
def test_what_is_no_folder_of_pictures_is_one_sentence(tmp_path, files, sentence):
    with pytest.raises(DataError, match=sentence):
        pack_pictures(archive(tmp_path / "a.zip", files), tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()


def refused(path, sentence):
    """Refused with this sentence, and nothing is left but the archive, above it neither."""
    own = path.parent  # other tests write beside it
    (own / "two" / "down").mkdir(parents=True, exist_ok=True)
    path = path.rename(own / "two" / "down" / path.name)
    before = sorted(own.rglob("*"))
    with pytest.raises(DataError, match=sentence):
        pack_pictures(path, path.with_suffix(".parquet"))
    assert sorted(own.rglob("*")) == before


def unusable(path, why="not a readable PNG"):
    """The place of the picture that is refused when the packed archive is read."""
    packed = path.with_suffix(".parquet")
    pack_pictures(path, packed)
    with pytest.raises(DataError, match=why) as caught:
        read_source(str(packed), ReadOptions())
    return str(caught.value).split(" has a bad image")[0]


@pytest.mark.parametrize("data", [b"<svg onload=x>", png(1)[:40], b""])
def test_a_broken_picture_is_named_and_can_be_left_out(tmp_path, data):
    path = archive(tmp_path / "a.zip", classes("pets/") | {"pets/dog/broken.png": data})
    assert unusable(path) == "Picture dog/broken.png of a.zip"
    rest = read_source(str(tmp_path / "a.parquet"), ReadOptions(bad_rows="drop"))
    assert sum(map(len, rest)) == 8


def test_a_packer_of_windows_writes_the_same_archive(tmp_path):
    plain = archive(tmp_path / "a.zip", classes("pets/"))
    turned = archive(
        tmp_path / "b.zip", {n.replace("/", "\\"): d for n, d in classes("pets/").items()}
    )
    for path in (plain, turned):
        pack_pictures(path, path.with_suffix(".parquet"))
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))


@pytest.mark.parametrize(
    "name",
    ["../a.png", "cat/../../a.png", "/etc/cat/a.png", "..\\..\\cat\\a.png", "C:\\cat\\a.png"],
)
def test_a_path_that_leads_out_is_refused(tmp_path, name):
    refused(archive(tmp_path / "a.zip", classes() | {name: png(3)}), "leads out of its folder")


def test_a_link_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", classes())
    link = zipfile.ZipInfo("cat/link.png")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(link, "/etc/passwd")
    refused(path, r"link cat/link\.png")


def test_other_methods_and_too_many_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as opened:
        opened.writestr("cat/a.png", png(1))
    refused(path, "plain ZIP")
    monkeypatch.setattr(zipped, "MOST_ENTRIES", 7)
    refused(archive(path, classes()), "more than 7 files")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", classes())
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr("cat/0.png", png(9))
    refused(path, r"cat/0\.png twice")


def test_an_archive_in_the_archive_is_left_alone(tmp_path):
    inner = archive(tmp_path / "b.zip", classes())
    path = archive(tmp_path / "a.zip", classes() | {"cat/more.zip": inner.read_bytes()})
    assert pack_pictures(path, tmp_path / "a.parquet") == 8
    archive(path, classes() | {"cat/more.png": inner.read_bytes()})
    assert unusable(path) == "Picture cat/more.png of a.zip"


def test_a_bomb_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "RATIO_FREE_BYTES", 1 << 20)
    path = archive(tmp_path / "a.zip", {"cat/a.png": png(1) + bytes(8 << 20)}, compresslevel=9)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(zipfile.ZipFile, "open", None)
    refused(path, "unpack to more than 1 MB")


def test_a_bomb_whose_directory_lies_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr(zipped, "MAX_BYTES", 1 << 20)
    path = archive(tmp_path / "a.zip", {"cat/a.png": png(1) + bytes(8 << 20)}, compresslevel=9)
    data = path.read_bytes()
    refused(path, r"cat/a\.png in a\.zip is larger")
    # The sizes as the directory tells them are 100 bytes now.
    at = data.rindex(b"PK\x01\x02") + 24
    path.write_bytes(data[:at] + (100).to_bytes(4, "little") + data[at + 4 :])
    refused(path, "is no ZIP that can be read")


def test_a_picture_of_too_many_pixels_is_refused(tmp_path):
    path = archive(tmp_path / "a.zip", {"cat/a.png": png(0, (9000, 9000))})
    assert unusable(path, "million pixels") == "Picture cat/a.png of a.zip"


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
        assert [p.name for p in folder.iterdir()] == ["a.zip"]


NAMES = st.lists(
    st.sampled_from(
        ["..", ".", "", "cat", "train", "/", "\\", "C:", "a.png", "\u202e", "\x00", "x" * 300]
    ),
    min_size=1, max_size=5,
)  # fmt: skip


@given(parts=NAMES, link=st.booleans())
def test_any_name_is_a_row_or_an_error_of_ours(tmp_path_factory, parts, link):
    folder = tmp_path_factory.mktemp("n")
    info = zipfile.ZipInfo("/".join(parts) or "a")
    info.external_attr = (stat.S_IFLNK if link else stat.S_IFREG) << 16
    with zipfile.ZipFile(folder / "a.zip", "w") as opened:
        opened.writestr(info, png(1))
    try:
        pack_pictures(folder / "a.zip", folder / "a.parquet")
    except DataError:
        assert [p.name for p in folder.iterdir()] == ["a.zip"]
    else:
        assert not link
        (row,) = pq.read_table(folder / "a.parquet").to_pylist()
        assert ".." not in row["id"].split("/")
        assert row["label"] not in ("", ".", "..")
