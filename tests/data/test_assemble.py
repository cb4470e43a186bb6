"""Splits, classes and refusals that no single reader decides."""

import json
import threading
from dataclasses import asdict

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import READERS, guess_kind, read_source
from influence_core.data.source import SourceInfo, refuse_changed
from influence_core.disk.records import build
from influence_core.errors import CancelledError, DataError, StoreError

WHOLE = ReadOptions(valid_share=0, test_share=0)
HEADER = "id,text,label\n"


def _csv(folder, text: str, name: str = "data.csv"):
    path = folder / name
    path.write_bytes(text.encode())
    return path


def _rows(count: int, start: int = 0) -> str:
    return "".join(f"{i},sentence {i},{'ab'[i % 2]}\n" for i in range(start, start + count))


def test_every_row_lands_in_exactly_one_split(tmp_path):
    dataset = read_source(_csv(tmp_path, HEADER + _rows(100)))
    assert sorted(int(i) for split in dataset for i in split.ids) == list(range(100))
    assert {split.name: len(split) for split in dataset} == {"train": 70, "valid": 16, "test": 14}


def test_files_per_split_equal_a_split_column(tmp_path):
    parts = {"train": _rows(6), "validation": _rows(4, 6), "TEST": _rows(2, 10)}
    files = {name: _csv(tmp_path, HEADER + text, f"{name}.csv") for name, text in parts.items()}
    joined = "id,text,label,split\n" + "".join(
        f"{line},{name}\n" for name, text in parts.items() for line in text.splitlines()
    )
    apart = read_source(files)
    together = read_source(_csv(tmp_path, joined))
    assert list(apart.splits) == ["train", "valid", "test"]
    assert apart.fingerprint == together.fingerprint


def test_copies_never_straddle_the_cut(tmp_path):
    text = "text,label\n" + "".join(f"t{i % 40},{'ab'[i % 2]}\n" for i in range(200))
    hashes = [set(s.content_hashes.tolist()) for s in read_source(_csv(tmp_path, text))]
    assert len(hashes) == 3
    assert sum(map(len, hashes)) == len(set.union(*hashes))


def test_source_columns_named_like_ours_are_kept(tmp_path):
    text = "text,label,key,row\nx,a,k1,r1\ny,b,k2,r2\n"
    train = read_source(_csv(tmp_path, text), WHOLE).train
    assert train.extra("source_key").tolist() == ["k1", "k2"]
    assert train.extra("source_row").tolist() == ["r1", "r2"]


def test_numbers_as_classes_are_sorted_as_numbers_unless_told_otherwise(tmp_path):
    path = _csv(tmp_path, "text,label\n" + "".join(f"t{i},{i}\n" for i in range(12)))
    names = tuple(str(i) for i in range(12))
    assert read_source(path, WHOLE).classes == names
    told = ReadOptions(classes=names[::-1], valid_share=0, test_share=0)
    assert read_source(path, told).train.labels.tolist() == list(range(12))[::-1]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("id,text,mood\n" + _rows(30), {}, r"no column named like a label .* perhaps 'mood'"),
        (HEADER + _rows(4), {"label_column": "mood"}, r"no column 'mood' for the label"),
        (HEADER + _rows(4), {"content_column": "label"}, r"No column|no column named like a label"),
        (HEADER + _rows(4), {"modality": "image"}, r"No column of data\.csv looks like"),
        (HEADER + "1,x,a\n2,y,a\n", {}, r"only the class 'a'"),
        (
            "text,label\n" + "".join(f"t{i},u{i}\n" for i in range(120)),
            {},
            r"120 different values in 120 rows",
        ),
        (
            "text,label,split\nx,a,train\ny,b,../x\n",
            {"split_column": "split", "bad_rows": "keep"},
            r"'\.\./x' cannot be the name of a split",
        ),
        ("text,label,split\nx,a,dev\ny,b,test\n", {}, r"no split named 'train'"),
        ("text,label,split\nx,a,train\ny,b,dev\nz,a,val\n", {}, r"both called 'valid'"),
        ("text,label\n,a\n,b\n", {"bad_rows": "drop"}, r"no usable rows"),
    ],
)
def test_sources_that_cannot_be_used_are_refused(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message) as caught:
        read_source(_csv(tmp_path, text), ReadOptions(**options))
    assert "\n" not in str(caught.value)


def test_a_file_without_the_others_columns_is_named(tmp_path):
    first = _csv(tmp_path, HEADER + _rows(4), "a.csv")
    other = _csv(tmp_path, "id,text,mood\n" + _rows(4), "b.csv")
    with pytest.raises(DataError, match=r"b\.csv has no column 'label', which the other files"):
        read_source({"train": first, "test": other})


def test_an_id_column_can_be_declined(tmp_path):
    path = _csv(tmp_path, HEADER + "1,x,a\n1,y,b\n")
    options = ReadOptions(id_column="", valid_share=0, test_share=0)
    assert read_source(path, options).train.extra("source_id").tolist() == ["1", "1"]


def test_bad_rows_can_be_kept_to_be_looked_at(tmp_path):
    path = _csv(tmp_path, HEADER + "1,x,a\n1,,b\n3,z,\n")
    options = ReadOptions(bad_rows="keep", valid_share=0, test_share=0)
    train = read_source(path, options).train
    assert train.labels.tolist() == [0, 1, -1]
    assert train.texts() == ["x", "", "z"]
    assert train.ids == ["1", "1", "3"]


def test_a_changed_source_is_noticed(tmp_path):
    path = _csv(tmp_path, HEADER + _rows(4))
    file = read_source(path, WHOLE).source.files["train"]
    refuse_changed(file)
    _csv(tmp_path, HEADER + _rows(5))
    with pytest.raises(DataError, match="has changed since it was imported"):
        refuse_changed(file)
    path.unlink()
    with pytest.raises(DataError, match="cannot be read any more"):
        refuse_changed(file)


def test_the_origin_survives_json_and_damage_is_named(tmp_path):
    source = read_source(_csv(tmp_path, HEADER + _rows(4)), WHOLE).source
    value = json.loads(json.dumps(asdict(source)))
    assert build(SourceInfo, value, "it") == source
    with pytest.raises(StoreError, match=r"it is damaged .*files\.train\.path"):
        build(SourceInfo, {**value, "files": {"train": {"parts": [], "x": 1}}}, "it")


def test_reading_can_be_watched_and_stopped(tmp_path):
    path = _csv(tmp_path, HEADER + _rows(1200))
    seen = []
    read_source(path, progress=seen.append)
    assert [event.done for event in seen] == [500, 1000, 1200]
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(CancelledError):
        read_source(path, cancel=cancel)


def test_every_reader_is_found_by_the_looks_of_its_source(tmp_path, picture_folder):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.xlsx", "a.feather"):
        (tmp_path / name).touch()
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "state.json").touch()
    (tmp_path / "shards").mkdir()
    pq.write_table(pa.table({"a": [1]}), tmp_path / "shards" / "train.parquet")
    (tmp_path / "films" / "good").mkdir(parents=True)
    (tmp_path / "films" / "good" / "1.txt").write_text("fine", "utf-8")
    sources = {
        "csv": _csv(tmp_path, "a\n1\n", "a.tsv"),
        "json": tmp_path / "a.jsonl",
        "xlsx": tmp_path / "a.xlsx",
        "parquet": tmp_path / "a.parquet",
        "arrow": tmp_path / "a.feather",
        "hf": tmp_path / "saved",
        "tables": tmp_path / "shards",
        "folder": picture_folder,
        "texts": tmp_path / "films",
        "hub": "someone/something",
    }
    # fastText has no name of its own: `csv` tells it by what is in the file.
    assert list(sources) == [kind for kind in READERS if kind != "fasttext"]
    for kind, source in sources.items():
        assert guess_kind(str(source), ReadOptions()) == kind


def test_what_no_reader_knows_is_refused(tmp_path):
    (tmp_path / "a.docx").write_bytes(b"\0x")
    with pytest.raises(DataError, match="is none of these: CSV"):
        read_source(tmp_path / "a.docx")
    with pytest.raises(DataError, match="no reader 'excel'"):
        read_source(tmp_path / "a.docx", ReadOptions(kind="excel"))
    with pytest.raises(DataError, match="No file was named"):
        read_source({})


@pytest.mark.parametrize(
    "options",
    [{"valid_share": -0.1}, {"test_share": 0.9}, {"bad_rows": "maybe"}, {"delimiter": "ab"}],
)
def test_options_that_make_no_sense_are_refused(options):
    with pytest.raises(DataError):
        ReadOptions(**options)


def test_renamed_extra_columns_never_meet_a_column_of_the_user(tmp_path):
    names = ["text", "category", "label", "source_label", "source_source_label", "row"]
    lines = [[f"text {i}", "ab"[i % 2], *(f"{name}-{i}" for name in names[2:])] for i in range(40)]
    path = tmp_path / "data.csv"
    path.write_text("\n".join(",".join(line) for line in [names, *lines]))
    train = read_source(path, ReadOptions(label_column="category")).train
    found = [[str(value) for value in train.extra(name)] for name in train.extra_columns]
    expected = [[f"{name}-{row}" for row in train.rows] for name in names[2:]]
    assert sorted(found) == sorted(expected)
    assert [str(v) for v in train.extra("source_label")] == [
        f"source_label-{r}" for r in train.rows
    ]
