import codecs
import csv
import io

import pytest
from hostile_csv import hostile_csvs
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.readers.text.csv_detect import detect_format
from influence_core.data.readers.text.csv_format import CsvFormat, parse_records, read_records
from influence_core.errors import DataError

COMMA = CsvFormat("utf-8", False, ",")


def _write(tmp_path, data: bytes):
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,2\n", COMMA),
        (codecs.BOM_UTF8 + "ä;b\n1,0;2\n".encode(), CsvFormat("utf-8", True, ";")),
        ("a\tä\n1\t2\n".encode("utf-16"), CsvFormat("utf-16-le", True, "\t")),
        (
            codecs.BOM_UTF16_BE + "a|b\n1|2\n".encode("utf-16-be"),
            CsvFormat("utf-16-be", True, "|"),
        ),
        ("word,other\n1,2\n".encode("utf-16-le"), CsvFormat("utf-16-le", False, ",")),
        ("schön,b\n“1”,2\n".encode("cp1252"), CsvFormat("cp1252", False, ",")),
        (b'id\ttext\n1\t"He said" no\n', CsvFormat("utf-8", False, "\t", "none")),
        (b'id\ttext\n1\t"a\tb"\n', CsvFormat("utf-8", False, "\t")),
        (b"text\nonly one column\n", COMMA),
        (b'text;label\n"one, two, three";a\nfour, five;b\n', CsvFormat("utf-8", False, ";")),
    ],
)
def test_format_is_found(tmp_path, data, expected):
    assert detect_format(_write(tmp_path, data)) == expected


@given(hostile_csvs())
def test_raw_records_are_the_file(tmp_path_factory, hostile):
    path = _write(tmp_path_factory.mktemp("raw"), hostile.data)
    raw = "".join(record.raw for record in read_records(path, hostile.form))
    mark = "\ufeff" if hostile.form.bom else ""
    assert (mark + raw).encode(hostile.form.encoding) == hostile.data


@given(
    st.lists(
        st.lists(st.text(alphabet='ab,"\n\r;é ', max_size=6), min_size=2, max_size=3), max_size=8
    )
)
def test_what_the_csv_module_writes_comes_back(rows):
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    lines = io.StringIO(out.getvalue(), newline="")
    assert [record.fields for record in parse_records(lines, COMMA, "x")] == rows


def test_lines_are_counted_as_an_editor_does():
    text = 'a,b\r\n"two\nlines",1\n\nlast,2'
    records = list(parse_records(io.StringIO(text, newline=""), COMMA, "x"))
    assert [record.line for record in records] == [1, 2, 4, 5]
    assert records[2].fields == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'a,b\n"x","1"\n"never closed,2\ny,3\n', r"starts at line 3 of data\.csv opens a quote"),
        (b'a,b\n"x"y,"1"\n', r"starts at line 2 of data\.csv are broken"),
    ],
)
def test_broken_quotes_are_named_by_their_line(tmp_path, data, message):
    path = _write(tmp_path, data)
    with pytest.raises(DataError, match=message):
        list(read_records(path, detect_format(path)))


@pytest.mark.parametrize(
    ("data", "given_format", "message"),
    [
        (b"", {}, "is empty"),
        (b" \n\n", {}, "is empty"),
        (b"\x00\x01\x02\x03,\x00", {}, "not a text file"),
        (b"text,label\na film,x\na d\0ull film,y\n", {}, "Line 3 of .* holds a NUL byte; take"),
        (b"a,\xff\n", {"encoding": "utf-8"}, "is not text in utf-8"),
        (b"a,b\n", {"encoding": "klingon"}, "no text encoding 'klingon'"),
        (b"a,b\n", {"encoding": "base64"}, "no text encoding 'base64'"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path, data, given_format, message):
    with pytest.raises(DataError, match=message):
        detect_format(_write(tmp_path, data), **given_format)


def test_what_the_user_says_is_taken(tmp_path):
    path = _write(tmp_path, codecs.BOM_UTF16_LE + "a;b\n".encode("utf-16-le"))
    found = detect_format(path, encoding="utf-16", delimiter=";", quoting="none")
    assert found == CsvFormat("utf-16-le", True, ";", "none")


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        detect_format(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="cannot be read"):
        list(read_records(tmp_path / "gone.csv", COMMA))
