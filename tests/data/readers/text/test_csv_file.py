"""CSV files that try a reader: ragged, repeated, half empty, bent in any byte."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)
HEADER = "id,text,label\n"


def _csv(folder, text: str):
    path = folder / "data.csv"
    path.write_bytes(text.encode())
    return path


def _rows(count: int) -> str:
    return "".join(f"{i},sentence {i},{'ab'[i % 2]}\n" for i in range(count))


def test_row_numbers_point_into_the_source_past_blank_lines(tmp_path):
    text = HEADER + "7,seven,a\n\n8,,a\n9,nine,b\n"
    options = ReadOptions(bad_rows="drop", valid_share=0, test_share=0)
    dataset = read_source(_csv(tmp_path, text), options)
    assert dataset.train.rows.tolist() == [0, 2]
    assert dataset.train.ids == ["7", "9"]
    assert [out.count for out in dataset.source.left_out] == [1]


def test_values_stay_the_text_they_are(tmp_path):
    dataset = read_source(_csv(tmp_path, "text,label,extra\n007,NA,1e5\nnull,01, x \n"), WHOLE)
    assert dataset.train.texts() == ["007", "null"]
    assert dataset.train.extra("extra").tolist() == ["1e5", " x "]
    assert dataset.classes == ("01", "NA")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (HEADER + "1,x,a\n2,y,\n", {}, r"Line 3 of data\.csv has no label in column 'label'"),
        (HEADER + "1,x,a\n2, ,b\n", {}, r"Line 3 of data\.csv has an empty text in column 'text'"),
        (HEADER + "1,x,a\n,y,b\n", {}, r"Line 3 of data\.csv has no id in column 'id'"),
        (HEADER + '1,"x\ny",a\n1,y,b\n', {}, r"Line 4 .* repeats the id '1' of line 2"),
        (HEADER + "1,x,a\n2,y,b\n", {"classes": ("a",)}, r"Line 3 .* no class: 'b' is not"),
        (HEADER + "1,x,a\n2,y\n", {}, r"Line 3 of data\.csv has no label in column 'label'"),
        (HEADER + "1,x,a\n2,y, yes,b\n", {}, r"Line 3 of data\.csv has 4 fields .*--drop-bad"),
        ("text,text\nx,a\n", {}, r"more than one column 'text'"),
    ],
)
def test_bad_rows_and_columns_are_named_as_an_editor_does(tmp_path, text, options, message):
    with pytest.raises(DataError, match=message) as caught:
        read_source(_csv(tmp_path, text), ReadOptions(**options))
    assert "\n" not in str(caught.value)


def test_ragged_lines_can_be_left_out_and_are_counted(tmp_path):
    text = HEADER + _rows(4) + "4,x,\n5,,a\n6,short\n7,z,a\n"
    dataset = read_source(_csv(tmp_path, text), ReadOptions(bad_rows="drop"))
    assert sum(len(split) for split in dataset) == 5
    assert sum(out.count for out in dataset.source.left_out) == 3


def test_a_nameless_column_gets_its_number(tmp_path):
    train = read_source(_csv(tmp_path, ",text,label\n0,x,a\n1,y,b\n"), WHOLE).train
    assert train.extra("column_1").tolist() == ["0", "1"]


def test_a_preview_reads_only_the_first_rows(tmp_path):
    found = preview_source(_csv(tmp_path, HEADER + _rows(300) + 'x,"broken'))
    assert found.kind == "csv"
    assert found.rows["text"].iloc[-1] == "sentence 199"
    assert found.roles is not None
    assert (found.roles.label, found.roles.content, found.roles.id) == ("label", "text", "id")


hostile_text = st.text(alphabet='ab,;"\t\n\r|é\x00\u200b\u202e', max_size=60)


@given(
    hostile_text.map(str.encode) | st.binary(max_size=80),
    st.sampled_from(["refuse", "drop", "keep"]),
)
def test_any_bytes_are_data_or_an_error_of_ours(tmp_path_factory, data, bad_rows):
    path = tmp_path_factory.mktemp("any") / "d.csv"
    path.write_bytes(b"text,label\nx,a\ny,b\n" + data)
    try:
        dataset = read_source(path, ReadOptions(bad_rows=bad_rows))
        assert np.unique(dataset.train.keys).size == len(dataset.train)
    except DataError as error:
        assert str(error)


cells = st.text(alphabet='ab,;"\t\n\r|é=+ ', min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(cells, st.sampled_from(["x", "y, z"])), min_size=1, max_size=12))
def test_hostile_cells_and_labels_are_read_back(tmp_path_factory, pairs):
    path = tmp_path_factory.mktemp("back") / "d.csv"
    pairs = [*pairs, ("first", "x"), ("last", "y, z")]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *pairs])
    dataset = read_source(path, ReadOptions(valid_share=0, test_share=0, delimiter=","))
    labels = [dataset.classes[i] for i in dataset.train.labels]
    assert list(zip(dataset.train.texts(), labels, strict=True)) == pairs
