"""Every kind of file with a table in it is read as it was written."""

import json
import zipfile
from dataclasses import replace

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kinds import KINDS, reviews, write

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)


def refused(path, options=WHOLE):
    with pytest.raises(DataError) as caught:
        read_source(str(path), options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", KINDS)
def test_a_table_is_read_as_it_was_written(tmp_path, name):
    path = write(name, tmp_path)
    data = read_source(str(path), WHOLE)
    frame = reviews()
    assert data.train.texts() == frame["text"].tolist()
    assert data.classes == ("neg", "pos")
    assert data.train.labels.tolist() == [i % 2 for i in range(24)]
    assert list(map(float, data.train.extra("stars"))) == frame["stars"].tolist()
    file = data.source.files["train"]
    assert (file.kind, file.path, file.rows) == (KINDS[name][0], str(path), 24)
    look = preview_source(str(path))
    assert (look.kind, look.problem) == (KINDS[name][0], "")
    assert look.rows["text"].tolist() == frame["text"].tolist()


def test_the_way_a_place_is_named(tmp_path):
    frame = reviews()
    frame.loc[3, "label"] = None
    said = {name: refused(write(name, tmp_path, frame)) for name in KINDS}
    assert said["a.csv"].startswith("Line 8 of a.csv has no label")
    assert said["a.jsonl"].startswith("Line 4 of a.jsonl has no label")
    assert said["a.json"].startswith("Line 17 of a.json has no label")
    assert said["a.xlsx"].startswith("Line 5 of sheet 'Sheet1' of a.xlsx has no label")
    assert said["a.feather"].startswith("Row 4 of a.feather has no label")
    assert said["a.csv.gz"].startswith("Line 8 of a.csv in a.csv.gz has no label")
    assert said["a.zip"].startswith("Line 8 of b.csv in a.zip has no label")


# -- JSON -----------------------------------------------------------------------------------------


def lines(path, *rows):
    path.write_text("\n".join(rows))
    return path


GOOD = ['{"text": "a film", "label": "pos"}', '{"text": "a dull film", "label": "neg"}']


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "Expecting"),
        ("17", "it is no object"),
        ('["a", "b"]', "it is no object"),
        (GOOD[0] + GOOD[1], "more on the line"),
        ('{"text": "x", "label": ' + "9" * 5_000 + "}", "integer string"),
        ('{"text": ' + "[" * 100_000, "nested too deeply"),
    ],
)
def test_a_line_that_is_no_record_is_named_or_left_out(tmp_path, line, why):
    path = lines(tmp_path / "a.jsonl", GOOD[0], line, GOOD[1])
    said = refused(path)
    assert said.startswith("Line 2 of a.jsonl is no record")
    assert why in said
    assert len(said) < 400
    data = read_source(str(path), ReadOptions(valid_share=0, test_share=0, bad_rows="drop"))
    assert data.train.rows.tolist() == [0, 2]
    (out,) = data.source.left_out
    assert (out.why, out.count, out.places) == ("is no record", 1, ("line 2 of a.jsonl",))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no records"),
        ("[]", "no records"),
        ("[{}]", "no records"),
        ("17", "holds no list of records"),
        ('{"a": {"b": "a"}, "c": {"b": "b"}}', "holds no list of records"),
        ('{"a": {"text": "a"}, "text": {"a": "b"}}', "holds no list of records"),
        ('{"text": {"0": "a"}, "label": {"1": "b"}}', "holds no list of records"),
        ('{"text": ["a", "b"], "label": ["b"]}', "holds no list of records"),
        ('{"text": ["a", "b"], "label": "b"}', "looks like text"),
        ('{"text": ["a"], "text": ["b"]}', "names 'text' twice"),
        ('{"columns": ["text"], "data": ["a"]}', "holds no list of records"),
        ('{"columns": ["a", "a"], "data": [["a", "b"]]}', "holds no list of records"),
        ('{"columns": ["text", "label"], "data": [["a"]]}', "it has 1 values instead of 2"),
        ('{"text": ["a", "b"], "label": ["b", "c"]} 3', "Extra data"),
        ('{"text": ["a", "b"], "label": ["b", ]}', "is no JSON"),
        ('{"train": [{"text": "x"}], "test": [{"text": "y"}]}', "such as train.json and test.json"),
        ('{\n"a": [{"text": "x"}],\n"b": [{"text": "y"}]}', "several lists of records"),
        (f"[{GOOD[0]}\n{GOOD[1]}]", "Line 2 of a.json is no JSON"),
        (f"[{GOOD[0]}, {GOOD[1]}", "is no JSON"),
        (f"[{GOOD[0]}, {GOOD[1]}] 3", "Extra data"),
        ("[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_list_of_records_is_refused(tmp_path, text, why):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert why in refused(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_encoding_of_json_is_found(tmp_path, encoding):
    (tmp_path / "a.jsonl").write_text("\r\n".join(GOOD).replace("dull", "öde"), encoding=encoding)
    assert read_source(str(tmp_path / "a.jsonl"), WHOLE).train.texts()[1] == "a öde film"


def test_values_keep_what_they_are(tmp_path):
    rows = [
        {"text": f"film {i}", "label": label, "day": "2024-01-02", "zip": "007", "big": 10**30,
         "deep": {"a": [1, {"b": None}]}, "empty": {}, "mixed": [1, "1"][i % 2]}
        for i, label in enumerate([1, "1", True, 0])
    ]  # fmt: skip
    path = lines(tmp_path / "a.jsonl", *map(json.dumps, rows))
    data = read_source(str(path), WHOLE)
    assert data.classes == ("0", "1", "true")
    assert list(data.train.extra("day")) == ["2024-01-02"] * 4
    assert list(data.train.extra("zip")) == ["007"] * 4
    assert list(data.train.extra("big")) == [str(10**30)] * 4
    assert list(data.train.extra("empty")) == ["{}"] * 4
    assert list(data.train.extra("mixed")) == ["1"] * 4
    assert data.train.table["deep"].to_pylist()[0] == {"a": [{"b": None}]} or data.train.table[
        "deep"
    ].to_pylist()[0] == json.dumps(rows[0]["deep"])


def test_a_value_that_some_records_lack_is_missing_there(tmp_path):
    path = lines(tmp_path / "a.jsonl", *GOOD, '{"text": "x", "label": "pos", "extra": 5}')
    assert read_source(str(path), WHOLE).train.table["extra"].to_pylist() == [None, None, 5]


# -- Excel ----------------------------------------------------------------------------------------


def book(path, **sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


HEAD = ["text", "label"]
ROWS = [["a film", "pos"], ["a dull film", "neg"]]


def test_sheets_called_like_splits_are_splits(tmp_path):
    more = [[f"{text} again", label] for text, label in ROWS]
    path = book(tmp_path / "a.xlsx", Train=[HEAD, *ROWS], test=[HEAD, *more])
    data = read_source(str(path), ReadOptions(valid_share=0))
    assert {split.name: len(split) for split in data} == {"train": 2, "test": 2}
    assert data.source.files["test"].sheet == "test"


def test_the_first_sheet_with_rows_is_read(tmp_path):
    path = book(tmp_path / "a.xlsx", empty=[], Data=[[], [], HEAD, *ROWS], Notes=[["x"], ["y"]])
    data = read_source(str(path), WHOLE)
    assert data.train.texts() == ["a film", "a dull film"]
    assert data.source.files["train"].sheet == "Data"


def test_a_sheet_of_names_like_ours_goes_before_others_and_any_may_be_named(tmp_path):
    path = book(
        tmp_path / "a.xlsx",
        About=[["note"], ["read me"]],
        Data=[HEAD, *ROWS],
        Old=[HEAD, *ROWS[:1]],
    )
    data = read_source(str(path), WHOLE)
    assert data.source.files["train"].sheet == "Data"
    assert "others are passed over: ['About', 'Old']; --sheet names another" in str(
        data.source.told
    )
    for sheet, said in (("Old", "Old.*only the class"), ("Abuot", "no sheet 'Abuot'.*'About'")):
        with pytest.raises(DataError, match=said):
            read_source(str(path), replace(WHOLE, sheet=sheet))
    write("a.csv", tmp_path)
    with pytest.raises(DataError, match="no workbook, which alone has a --sheet"):
        read_source(str(tmp_path / "a.csv"), replace(WHOLE, sheet="Data"))


@pytest.mark.parametrize(
    "above", [[["My export"]], [["Report"], ["Date", "2024"], []], [["Report", None, "x"]]]
)
def test_titles_above_the_names_are_no_rows(tmp_path, above):
    more = [[*row, f"no {i}"] for i, row in enumerate(ROWS * 3)]
    path = book(tmp_path / "a.xlsx", S=[*above, [*HEAD, "z"], *more])
    data = read_source(str(path), WHOLE)
    assert len(data.train) == 6
    assert "What stands above line" in str(data.source.told)
    text = "\n".join(
        ",".join(map(str, [*row, "", ""][:3])) for row in [*above, [*HEAD, "z"], *more]
    )
    (tmp_path / "a.csv").write_text(text.replace("None", ""))
    assert read_source(str(tmp_path / "a.csv"), WHOLE).train.texts() == data.train.texts()


def test_lines_of_other_lengths_above_and_below_are_no_names(tmp_path):
    lines = [
        "a note",
        "text,label,z,label",
        "text,label",
        *(f"film {i},{'ab'[i % 2]}" for i in range(9)),
    ]
    (tmp_path / "a.csv").write_text("\n".join([*lines, "film,a,more,text"]))
    assert "13 of a.csv has 4 fields" in refused(tmp_path / "a.csv")


def test_names_that_are_a_class_too_are_no_line_of_names(tmp_path):
    rows = [
        ["", "what", "kind"],
        *[[f"{i}", f"film {i}", ["label", "text"][i % 2]] for i in range(9)],
    ]
    path = book(tmp_path / "a.xlsx", S=rows)
    options = replace(WHOLE, label_column="kind", content_column="what")
    assert len(read_source(str(path), options).train) == 9


def test_numbers_dates_and_columns_without_a_name(tmp_path):
    rows = [["text", "label", None, "day"], ["a film", 1, "x", pd.Timestamp("2024-01-02")],
            ["a dull film", 2.0, None, None]]  # fmt: skip
    data = read_source(str(book(tmp_path / "a.xlsx", S=rows)), WHOLE)
    assert data.classes == ("1", "2")
    assert data.train.table["column_3"].to_pylist() == ["x", None]
    assert data.train.table["day"].to_pylist()[0].year == 2024


def test_a_formula_without_a_result_is_named(tmp_path):
    path = book(tmp_path / "a.xlsx", S=[HEAD, *ROWS, ['=CONCAT("a", "b")', "pos"]])
    said = refused(path)
    assert "Line 4 of sheet 'S' of a.xlsx has the formula '=CONCAT" in said


@pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\0\1\2"])
def test_what_is_no_workbook_is_refused(tmp_path, content):
    (tmp_path / "a.xlsx").write_bytes(content)
    assert "a.xlsx cannot be read as an Excel workbook" in refused(tmp_path / "a.xlsx")


def test_a_workbook_that_is_only_called_one_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr("xl/workbook.xml", "<x/>")
    assert "a.xlsx cannot be read as an Excel workbook" in refused(tmp_path / "a.xlsx")


# -- any table ------------------------------------------------------------------------------------

# What XML can hold; a lone "\r" becomes "\n" in a workbook before anything here sees it.
PLAIN = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], include_characters="\n\t"),
    min_size=1, max_size=30,
)  # fmt: skip
NAMES = [name for name in KINDS if not name.endswith((".gz", ".zip"))]


@pytest.mark.parametrize("name", NAMES)
def test_any_table_is_read_back_equal_or_refused(tmp_path_factory, name):
    @given(rows=st.lists(st.tuples(PLAIN, PLAIN), min_size=2, max_size=8))
    def check(rows):
        folder = tmp_path_factory.mktemp("any")
        frame = pd.DataFrame(rows, columns=["text", "label"])
        path = write(name, folder, frame)
        try:
            data = read_source(str(path), ReadOptions(valid_share=0, test_share=0))
        except DataError as error:
            assert "\n" not in str(error)
            assert name in str(error)
            return
        assert data.train.texts() == frame["text"].tolist()
        assert [data.classes[i] for i in data.train.labels] == frame["label"].tolist()

    check()


def test_arrow_columns_of_every_layout(tmp_path):
    table = pa.table(
        {
            "text": pa.array(["a film", "a dull film"], pa.string_view()),
            "label": pa.array(["pos", "neg"]).dictionary_encode(),
            "tags": pa.array([["x"], []], pa.list_(pa.string())),
        }
    )
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    data = read_source(str(tmp_path / "a.arrow"), WHOLE)
    assert data.classes == ("neg", "pos")
    assert [list(tags) for tags in data.train.extra("tags")] == [["x"], []]


@pytest.mark.parametrize("content", [b"", b"FEA1xxxxxx", b"ARROW1xxxxxxxx", b"text,label\n"])
def test_what_is_no_arrow_file_is_refused(tmp_path, content):
    (tmp_path / "a.feather").write_bytes(content)
    assert "a.feather" in refused(tmp_path / "a.feather")
