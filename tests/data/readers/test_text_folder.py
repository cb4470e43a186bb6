"""Folders of texts: `<split>/<class>/x.txt`, as one that unpacks aclImdb has it."""

import csv
import zipfile

import pytest

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError, MismatchError
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.export import export

WHOLE = ReadOptions(valid_share=0, test_share=0)


def put(root, path, text, encoding="utf-8"):
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode(encoding))


def films(root, splits=("train/", "test/"), encoding="utf-8"):
    for split in splits:
        for i in range(10):
            put(root, f"{split}pos/{i}_9.txt", f"Ein schöner Film, {split} {i}\n", encoding)
            put(root, f"{split}neg/{i}_1.txt", f"Öde und überflüssig, {split} {i}", encoding)
    return root


@pytest.fixture
def acl(tmp_path):
    root = films(tmp_path / "aclImdb")
    put(root, "README", "Large Movie Review Dataset")
    put(root, "imdbEr.txt", "0.049")
    put(root, "train/urls_pos.txt", "x")
    put(root, "train/labeledBow.feat", "9 0:9")
    for i in range(30):
        put(root, f"train/unsup/{i}_0.txt", f"somebody has said nothing of {i}")
    return root


def test_the_folders_of_aclimdb(acl):
    look = preview_source(acl)
    assert (look.kind, look.problem) == ("texts", "")
    data = read_source(acl, WHOLE)
    assert {split.name: len(split) for split in data} == {"train": 20, "test": 20}
    assert data.classes == ("neg", "pos")
    assert data.train.texts()[-1] == "Ein schöner Film, train/ 9\n"
    assert next(iter(data.train.extra("path"))) == "train/neg/0_1.txt"
    left = {out.why: out.count for out in data.source.left_out}
    assert left == {
        "stands in no class folder": 2,
        "stands in a folder of texts without labels": 30,
    }
    assert data.source.read == 72
    assert "2 files of aclImdb that are no .txt are passed over." in data.source.told


def zipped(folder, mark="/"):
    """The folder as a ZIP beside it, by this mark between the parts of names."""
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder.parent).as_posix().replace("/", mark)
            archive.writestr(name, path.read_bytes())
    return folder.with_suffix(".zip")


@pytest.mark.parametrize("mark", ["/", "\\"])
def test_a_zip_is_read_as_its_folder(acl, tmp_path, mark):
    put(acl, "train/pos/.hidden.txt", "left behind")
    put(acl, "__MACOSX/train/pos/1.txt", "left behind")
    packed = zipped(acl, mark)
    look = preview_source(packed)
    assert (look.kind, look.problem) == ("tables", "")
    data, folder = read_source(packed, WHOLE), read_source(acl, WHOLE)
    assert data.fingerprint == folder.fingerprint
    assert {split.name: split.texts() for split in data} == {
        split.name: split.texts() for split in folder
    }
    left = {out.why: out.count for out in data.source.left_out}
    assert left == {out.why: out.count for out in folder.source.left_out}
    row = data.train
    edit = Edit(int(row.rows[0]), str(row.keys[0]), row.ids[0], "remove", "neg")
    export(data, [edit], tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 19
    packed.write_bytes(packed.read_bytes() + b"x")
    with pytest.raises(MismatchError, match="has changed"):
        export(data, [], tmp_path / "again.csv")


def test_a_zip_of_more_texts_than_tables_may_be(tmp_path):
    for i in range(150):
        put(tmp_path / "set", f"{'ab'[i % 2]}/{i}.txt", f"a film of {i}")
    assert len(read_source(zipped(tmp_path / "set"), WHOLE).train) == 150


def test_without_splits(tmp_path):
    data = read_source(films(tmp_path / "films", [""]), ReadOptions())
    assert sum(map(len, data)) == 20
    assert set(data.splits) == {"train", "valid", "test"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
def test_texts_are_decoded(tmp_path, encoding):
    data = read_source(films(tmp_path / "films", encoding=encoding), WHOLE)
    assert data.train.texts()[0] == "Öde und überflüssig, train/ 0"
    assert any("not UTF-8" in said for said in data.source.told) is (encoding != "utf-8-sig")


def test_a_text_in_no_encoding_is_named(tmp_path):
    root = films(tmp_path / "films")
    (root / "train/pos/x.txt").write_bytes(b"\x81\x8d\x00\xff")
    with pytest.raises(DataError, match=r"train/pos/x\.txt of films .*--encoding"):
        read_source(root, WHOLE)
    with pytest.raises(DataError, match="is not ascii; name another encoding"):
        read_source(root, ReadOptions(encoding="ascii"))


def test_an_empty_text_is_a_bad_row(tmp_path):
    put(films(tmp_path / "films"), "train/pos/x.txt", "")
    with pytest.raises(DataError, match=r"Text train/pos/x\.txt of films has an empty text"):
        read_source(tmp_path / "films", WHOLE)


def test_a_link_leads_nowhere(tmp_path):
    put(tmp_path, "secret.txt", "a secret")
    (films(tmp_path / "films") / "train/pos/x.txt").symlink_to(tmp_path / "secret.txt")
    with pytest.raises(DataError, match=r"train/pos/x\.txt of films is no file in this folder"):
        read_source(tmp_path / "films", WHOLE)


def test_an_export_lists_paths_texts_and_classes(acl, tmp_path):
    data = read_source(acl, WHOLE)
    row = int(data.train.rows[0])
    edit = Edit(row, str(data.train.keys[0]), data.train.ids[0], "relabel", "neg", "pos")
    made = export(data, [edit], tmp_path / "out.csv")
    assert made.rows == 20
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [rows[0][name] for name in ("path", "label")] == ["train/neg/0_1.txt", "pos"]
    assert rows[1]["label"] == "neg"
    assert [row["text"] for row in rows] == data.train.texts()
    put(acl, "train/neg/0_1.txt", "changed")
    with pytest.raises(MismatchError, match="has changed since it was imported"):
        export(data, [], tmp_path / "again.csv")
