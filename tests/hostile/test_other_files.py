"""JSON, workbooks, Arrow and packed files made to hurt: one sentence, never a traceback."""

import gzip
import io
import json
import struct
import zipfile

import openpyxl
import pyarrow as pa
import pyarrow.feather
import pytest
from damage import EDITS, damaged
from hypothesis import given
from kinds import write

from influence_core.data import budget
from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.projects.uploads import readable

GOOD = [json.dumps({"text": f"film {i}", "label": "ab"[i % 2]}) for i in range(8)]


def tried(path):
    """The sentences of reading and of a first look, "" where it can be read."""
    said = []
    for read in (preview_source, read_source):
        try:
            read(path)
            said.append("")
        except DataError as error:
            said.append(str(error))
    assert all("\n" not in words and len(words) < 600 for words in said), said
    return said


@pytest.fixture
def small(monkeypatch):
    """What may unfold freely, so that a bomb is small too."""
    monkeypatch.setattr(budget, "FREE_BYTES", 1 << 20)


def workbook(name, text):
    """A workbook whose part of this name is replaced."""
    made, out = io.BytesIO(), io.BytesIO()
    book = openpyxl.Workbook()
    for row in (["text", "label"], ["a film", "x"], ["a dull film", "y"]):
        book.active.append(row)
    book.save(made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, text if info.filename == name else old.read(info))
    return out.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><worksheet>&i;</worksheet>"
)
LONG = b'{"text": "' + b"x" * (64 << 20) + b'", "label": "a"}'
BOMBS = {
    "a.csv.gz": lambda: gzip.compress(b"text,label\n" + b"x,a\n" * (16 << 20)),
    "a.jsonl.gz": lambda: gzip.compress(LONG),
    "a.json.gz": lambda: gzip.compress(b"[" + b" " * (64 << 20)),
    "a.xlsx": lambda: workbook(SHEET, "<worksheet>" + " " * (64 << 20) + "</worksheet>"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_promises_little_and_unfolds_to_much(tmp_path, small, name):
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    assert path.stat().st_size < 1 << 20
    assert all("would unpack to more than" in words for words in tried(path))


def test_a_bomb_in_a_gz_in_a_gz_is_no_table(tmp_path):
    (tmp_path / "a.csv.gz.gz").write_bytes(gzip.compress(gzip.compress(b"text,label\n" * 99)))
    assert all(tried(tmp_path / "a.csv.gz.gz"))


BROKEN = {
    "cut.jsonl": "\n".join(GOOD)[:-5],
    "deep.jsonl": "\n".join([*GOOD, '{"text": "x", "label": ' + '{"a":' * 90_000]),
    "list.json": "[" * 90_000 + "]" * 90_000,
    "object.json": '{"a":' * 90_000,
    "number.jsonl": "\n".join([*GOOD, '{"text": "x", "label": ' + "9" * 50_000 + "}"]),
    "huge.json": json.dumps([{"text": "x", "label": 10**400}, {"text": "y", "label": 1}]),
    "infinite.jsonl": "\n".join([*GOOD, '{"text": "x", "label": 1e999}']),
    "surrogate.jsonl": "\n".join([*GOOD, '{"text": "\\ud800", "label": "a"}']),
    "nul.jsonl": "\n".join([*GOOD, '{"text": "\\u0000", "label": "a"}']),
    "labels.jsonl": "\n".join([*GOOD, '{"text": "x", "label": {"a": [1, null]}}']),
    "keys.jsonl": "\n".join([*GOOD, '{"text": "x", "text": "y", "label": "a", "": 1}']),
    "wide.jsonl": "\n".join([*GOOD, json.dumps({f"c{i}": i for i in range(9_000)})]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_json_that_no_writer_writes(tmp_path, name):
    (tmp_path / name).write_text(BROKEN[name])
    said = tried(tmp_path / name)[1]
    assert said or name in ("huge.json", "infinite.jsonl", "surrogate.jsonl", "nul.jsonl",
                            "labels.jsonl", "keys.jsonl")  # fmt: skip


@pytest.mark.parametrize(("depth", "refused"), [(30, False), (31, True), (900, True)])
@pytest.mark.parametrize("around", ["[]", '{"a":}'])
def test_what_is_nested_deeper_than_a_project_can_keep(tmp_path, depth, refused, around):
    start, end = around[:-1], around[-1]
    inner = start * depth + "1" + end * depth
    lines = [f'{line[:-1]}, "more": {inner}}}' for line in GOOD]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    if refused:
        said = (
            "Column 'more' of a.jsonl is nested more than 30 deep; remove it, or save it as text."
        )
        assert tried(tmp_path / "a.jsonl") == [said, said]
    else:
        made = create(NewProject(str(tmp_path / "a.jsonl")), tmp_path / "home")
        assert len(Project.open(made.root).dataset.train) > 0


@pytest.mark.parametrize("text", [ENTITIES, "<worksheet>", "", "<x>" * 50_000])
def test_sheets_that_no_writer_writes(tmp_path, text):
    (tmp_path / "a.xlsx").write_bytes(workbook(SHEET, text))
    assert all("a.xlsx" in words for words in tried(tmp_path / "a.xlsx"))


@pytest.mark.parametrize("name", ["a.arrow", "b.arrow", "a.feather"])
def test_arrow_files_cut_off_anywhere(tmp_path, name):
    path = write(name, tmp_path)
    whole = path.read_bytes()
    for size in (*range(0, len(whole) - 9, 97), len(whole) - 9):
        path.write_bytes(whole[:size])
        tried(path)
    path.write_bytes(whole[: len(whole) // 3])
    assert all(f"{name}" in words for words in tried(path))


@pytest.mark.parametrize("name", ["a.arrow", "b.arrow", "a.xlsx", "a.jsonl.gz", "a.zip"])
def test_edits_of_a_good_file(tmp_path, name):
    path = write(name, tmp_path)
    whole = path.read_bytes()

    @given(edits=EDITS)
    def check(edits):
        path.write_bytes(damaged(whole, edits))
        tried(path)

    check()


def test_notes_of_pandas_are_not_believed(tmp_path):
    """A damaged one ends its own reader; an index would take a column out of sight."""
    for notes in ({"columns": [{"name": "text"}], "index_columns": ["text"]}, "no object"):
        table = pa.table({"text": ["a", "b"] * 4, "label": ["x", "y"] * 4})
        noted = table.replace_schema_metadata({"pandas": json.dumps(notes)})
        pa.feather.write_feather(noted, tmp_path / "a.feather")
        assert tried(tmp_path / "a.feather") == ["", ""]
        assert list(preview_source(tmp_path / "a.feather").rows) == ["text", "label"]


def test_a_buffer_that_promises_petabytes(tmp_path):
    path = write("b.arrow", tmp_path)
    whole = path.read_bytes()
    places = range(0, len(whole) - 8, 8)  # one of these is the length of a buffer
    assert any(_asks_for_petabytes(path, whole, place) for place in places)


def _asks_for_petabytes(path, whole, at):
    path.write_bytes(whole[:at] + struct.pack("<q", 1 << 50) + whole[at + 8 :])
    return all("would unpack to more than" in words for words in tried(path))


@pytest.mark.parametrize("name", ["a.csv", "a.png"])
def test_an_entry_without_a_name(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(name, "text,label\n")
        packed.writestr("nameless", "")
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole.replace(b"nameless", b"\0ameless"))
    assert all("a.zip" in words for words in tried(tmp_path / "a.zip"))
    with pytest.raises(DataError), readable(tmp_path, str(tmp_path / "a.zip")) as ready:
        read_source(ready)


def test_a_stream_that_promises_a_huge_batch(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table({"text": ["a"] * 4, "label": ["x", "y"] * 2})
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)
    whole = path.read_bytes()
    second = whole.index(b"\xff\xff\xff\xff", 4)
    path.write_bytes(whole[: second + 4] + struct.pack("<i", 2**31 - 8) + whole[second + 8 :])
    assert all("a.arrow" in words for words in tried(path))


def test_several_options_do_not_help_a_broken_file(tmp_path):
    (tmp_path / "a.jsonl").write_text("{}\n{")
    with pytest.raises(DataError):
        read_source(tmp_path / "a.jsonl", ReadOptions(bad_rows="drop"))
