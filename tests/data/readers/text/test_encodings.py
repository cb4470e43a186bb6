"""No text is read in an encoding that is not sure; what is refused is named by its line."""

import codecs
import re

import pytest
from text_cases import SENTENCES, films, spoken, written

from influence_core.data.readers.text.encodings import detect_encoding, first_misfit
from influence_core.errors import DataError

SURE = [
    *(("ru", e) for e in ("cp1251", "koi8-r", "iso8859-5", "cp866")), ("uk", "koi8-u"),
    ("zh", "gbk"), ("zh", "gb18030"), ("zh-tw", "big5"), ("ja", "shift_jis"), ("ko", "euc_kr"),
    ("el", "cp1253"), ("fr", "cp1252"), ("fr", "mac_roman"), ("de", "cp1252"), ("pl", "cp1250"),
    ("pl", "iso8859-2"), ("en", "cp1252"),
]  # fmt: skip
OTHERS = ("cp1251", "koi8-u", "mac_cyrillic", "gb18030", "big5", "euc_jp", "cp949", "iso8859-7",
          "cp1255", "latin-1", "cp850", "mac_roman", "cp1254", "iso8859-15", "cp437")  # fmt: skip


def _file(tmp_path, data: bytes):
    path = tmp_path / "data.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("language", "encoding"), SURE)
def test_text_enough_of_any_script_is_recognised(tmp_path, language, encoding):
    text = written(spoken(language))
    path = _file(tmp_path, text.encode(encoding))
    assert path.read_bytes().decode(detect_encoding(path)[0]) == text


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("encoding", OTHERS)
@pytest.mark.parametrize("count", [1, 2, 24])
def test_any_text_is_read_right_or_refused_by_line(tmp_path, language, encoding, count):
    whole = written(spoken(language, count))
    text = whole.encode(encoding, "ignore")
    if len(text.decode(encoding)) < 0.95 * len(whole) or text.isascii():
        return  # another script
    path = _file(tmp_path, text)
    try:
        codec, marked = detect_encoding(path)
    except DataError as error:
        assert re.match(r"Line [23] of data\.csv does not fit UTF-8", str(error))
        assert "--encoding" in str(error)
        return
    assert not marked
    assert text.decode(codec) == text.decode(encoding)


@pytest.mark.parametrize("language", ["ru", "zh", "en", "he"])
@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", [False, True])
def test_two_and_four_bytes_a_letter_are_read_with_and_without_a_mark(
    tmp_path, language, codec, mark
):
    text = written(spoken(language))
    path = _file(tmp_path, ("\ufeff" * mark + text).encode(codec))
    assert detect_encoding(path) == (codec, mark)


@pytest.mark.parametrize(
    ("stray", "line", "more"),
    [({79: b"\xe9"}, 79, False), ({3: b"\x80"}, 3, False), ({5: b"\xff", 40: b"\xe9"}, 5, True)],
)
def test_a_stray_byte_in_a_utf_8_file_is_named_by_its_line(tmp_path, stray, line, more):
    lines = written(spoken("fr", 120)).encode().splitlines(keepends=True)
    for at, byte in stray.items():
        lines[at - 1] = byte + lines[at - 1]
    path = _file(tmp_path, b"".join(lines))
    with pytest.raises(DataError, match=rf"Line {line} of data\.csv .* although the rest") as told:
        detect_encoding(path)
    assert ("1 more bytes" in str(told.value)) == more
    assert detect_encoding(path, "cp1252") == ("cp1252", False)


def test_a_lone_byte_of_which_nothing_is_sure_is_not_guessed(tmp_path):
    data = written(films()).encode().replace(b"film 7 ", b"film\xa77 ")
    path = _file(tmp_path, data.replace(b"film 9 ", b"f\x8alm 9 "))
    with pytest.raises(DataError, match=r"Line 9 of data\.csv .* not sure.*--encoding"):
        detect_encoding(path)


@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        (b"a,b\n1,2\n1,\xff\n", "utf-8", r"Line 3 of data\.csv is not text in utf-8"),
        ("a,b\r\nж,1\r\n".encode(), "ascii", r"Line 2 of data\.csv is not text in ascii"),
        (codecs.BOM_UTF8 + b"a\n\xff\n", None, r"mark of utf-8, but line 2"),
        ("a\n映画\n".encode("iso2022_jp"), None, r"shift sequences"),
        ("a\n映画\n".encode("iso2022_jp"), "iso2022_jp", r"shift sequences"),
        ("a\nж\n".encode("utf-7"), "utf-7", r"shift sequences"),
        # Two codes for one sign: an export could not tell which of them was there.
        (b"a\n\x81\xe0\n\x87\x90\n", "cp932", r"Line 3 of data\.csv is not text in cp932"),
        (b"a\n", "undefined", r"no text encoding 'undefined'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, data, given, message):
    with pytest.raises(DataError, match=message):
        detect_encoding(_file(tmp_path, data), given)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_past_blocks(tmp_path, monkeypatch, end):
    monkeypatch.setattr("influence_core.data.readers.text.encodings.CHUNK", 7)
    data = end.join(["häuser"] * 30 + ["?"]).encode().replace(b"?", b"\xff")
    assert first_misfit(_file(tmp_path, data), "utf-8") == 31
    good = end.join(["漢字"] * 30).encode("cp932")
    assert first_misfit(_file(tmp_path, good), "cp932") is None
    assert first_misfit(_file(tmp_path, good), "gb18030") is None
    assert first_misfit(_file(tmp_path, good + b"\x87\x90"), "cp932") == 30
