"""Dialects are found by what they leave behind in a file, and nothing is guessed in silence."""

import csv

import pandas as pd
import pytest
from text_cases import films, written

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.data.readers.text.csv_detect import detect_format
from influence_core.data.readers.text.header import reads_like_a_row
from influence_core.errors import DataError

WHOLE = ReadOptions(valid_share=0, test_share=0)
ROWS = films()
SAID = [(f'He said "{text}", twice' if i % 4 == 0 else text, label)
        for i, (text, label) in enumerate(ROWS)]  # fmt: skip
IT_S = [(f"It's {text[:-1].lower()}, isn't it?", label) for text, label in ROWS]
BACKSLASH = {"doublequote": False, "escapechar": "\\"}


def _read(tmp_path, text: str, options: ReadOptions = WHOLE, name: str = "data.csv"):
    path = tmp_path / name
    path.write_bytes(text.encode())
    return read_source(path, options)


def _rows(dataset):
    return [
        (text, dataset.classes[label])
        for text, label in zip(dataset.train.texts(), dataset.train.labels, strict=True)
    ]


def _lines(rows, form: str, names: str = "text,label", end: str = "\n") -> str:
    return end.join([names, *(form.format(*row) for row in rows)]) + end


BARE_BY_PANDAS = written(SAID, by_pandas=True, quoting=csv.QUOTE_NONE, escapechar="\\")


@pytest.mark.parametrize(
    ("text", "rows", "quoting", "blanks"),
    [
        (written(SAID), SAID, "double", False),
        (written(SAID, quoting=csv.QUOTE_ALL), SAID, "double", False),
        # mysql_dump.csv, and what the csv module and pandas write like it
        (written(SAID, quoting=csv.QUOTE_ALL, **BACKSLASH), SAID, "backslash", False),
        (written(SAID, **BACKSLASH), SAID, "backslash", False),
        (written(SAID, by_pandas=True, **BACKSLASH), SAID, "backslash", False),
        (written(SAID, quoting=csv.QUOTE_NONE, escapechar="\\"), SAID, "backslash", False),
        # pandas before 3 leaves quotes as they are there
        (BARE_BY_PANDAS, SAID,
         "backslash" if r'\"' in BARE_BY_PANDAS else "none-backslash", False),
        # fields without quotes
        (_lines(ROWS, '"Great\\, {0},{1}'), [(f'"Great, {t}', x) for t, x in ROWS],
         "none-backslash", False),
        (_lines(ROWS, '{0},{1}').replace("The pace", '"Great" The pace'),
         [(t.replace("The pace", '"Great" The pace'), x) for t, x in ROWS], "none", False),
        (_lines(ROWS, "{0}\t{1}", "text\tlabel").replace("The pace", '"The pace'),
         [(t.replace("The pace", '"The pace'), x) for t, x in ROWS], "none", False),
        # apostrophes as quotes
        (written(IT_S, quotechar="'"), IT_S, "single", False),
        (written(SAID, quotechar="'", quoting=csv.QUOTE_ALL), SAID, "single", False),
        (written(IT_S, quotechar="'", quoting=csv.QUOTE_ALL, **BACKSLASH), IT_S,
         "single-backslash", False),
        (written(IT_S), IT_S, "double", False),
        (_lines(ROWS, "{0},{1}").replace("story", "'story'"),
         [(t.replace("story", "'story'"), x) for t, x in ROWS], "double", False),
        # space_after_comma.csv, space_before_quote.csv
        (_lines(ROWS, '"{0}, really", "{1}"', "text, label"),
         [(f"{t}, really", x) for t, x in ROWS], "double", True),
        (_lines(ROWS, '{1}, "{0}, really"', "label, text"),
         [(f"{t}, really", x) for t, x in ROWS], "double", True),
        (_lines(ROWS, "'{0}, really',  '{1}'", "text,  label"),
         [(f"{t}, really", x) for t, x in ROWS], "single", True),
        # no blank before a quote, but the end of a quoted field
        (written([(f"{t[:-1]}, ", x) for t, x in ROWS]),
         [(f"{t[:-1]}, ", x) for t, x in ROWS], "double", False),
    ],
)  # fmt: skip
def test_dialects_are_found_by_evidence(tmp_path, text, rows, quoting, blanks):
    dataset = _read(tmp_path, text)
    file = dataset.source.files["train"]
    assert (file.quoting, file.skip_blanks) == (quoting, blanks)
    assert _rows(dataset) == rows


@pytest.mark.parametrize(
    ("above", "delimiter", "count"),
    [
        ("sep=;\n", ";", 1),  # sep_semicolon.csv
        ("SEP=,\r\n", ",", 1),
        ('"sep=\t"\n', "\t", 1),
        ("# made on 3 May, by us\n#\n", ",", 2),
        ('# they say "no\n\n# twice\n', "|", 3),
        ("sep=|\n# twice\n", "|", 2),
        ("Export of reviews\n\n", ";", 2),
        ("Export of reviews;;\n", ";", 1),
    ],
)
def test_lines_above_the_names_are_no_rows(tmp_path, above, delimiter, count):
    rows = [(i, *row) for i, row in enumerate(ROWS)]
    dataset = _read(tmp_path, above + written(rows, ("id", "text", "label"), delimiter=delimiter))
    assert _rows(dataset) == ROWS
    file = dataset.source.files["train"]
    assert (file.above, file.delimiter, file.header) == (count, delimiter, True)


def test_a_comment_that_holds_the_names_is_the_line_of_names(tmp_path):
    dataset = _read(tmp_path, "# made by us\n" + _lines(ROWS, "{0},{1}", "# text,label"))
    assert dataset.source.columns == ("# text", "label")
    assert _rows(dataset) == ROWS


def test_rows_may_begin_like_a_comment(tmp_path):
    rows = [(f"#{text}", label) for text, label in ROWS]
    assert _rows(_read(tmp_path, _lines(rows, "{0},{1}"))) == rows


@pytest.mark.parametrize(
    ("rows", "name", "options"),
    [
        ([(label, text) for text, label in ROWS], "data.csv", {"delimiter": ","}),
        ([(label, text) for text, label in ROWS], "data.tsv", {"delimiter": "\t"}),
        ([("40"[i % 2], 1467810369 + i, "Mon Apr 06 PDT 2009", "NO_QUERY", f"user{i}", text)
          for i, (text, _) in enumerate(ROWS)], "data.csv", {"quoting": csv.QUOTE_ALL}),
        ([(i, text, label) for i, (text, label) in enumerate(ROWS)], "data.csv", {}),
    ],
)  # fmt: skip
def test_a_file_without_names_is_noticed_and_read_if_told(tmp_path, rows, name, options):
    text = written(rows, None, **options)
    with pytest.raises(DataError, match=rf"first line of {name} .*--header.*--no-header"):
        _read(tmp_path, text, name=name)
    column = next(i for i, value in enumerate(rows[0], 1) if value in ("4", "positive"))
    told = ReadOptions(
        header=False, label_column=f"column_{column}", valid_share=0, test_share=0, id_column=""
    )
    dataset = _read(tmp_path, text, told, name)
    assert len(dataset.train) == len(rows)
    assert dataset.source.columns == tuple(f"column_{i}" for i in range(1, len(rows[0]) + 1))
    assert not dataset.source.files["train"].header
    with pytest.raises(DataError, match=r"column_1|no column named like a label"):
        _read(tmp_path, text, ReadOptions(header=True), name)


@pytest.mark.parametrize(
    "names",
    [("text", "label"), ("spam", "message"), ("toxic", "comment_text"), ("0", "1"), ("", "label"),
     ("How did you like the film that you saw?", "verdict"), ("positive", "sms")],
)  # fmt: skip
def test_names_are_not_taken_for_a_row(names):
    rows = [list(row) for row in ROWS]
    assert not reads_like_a_row([list(names), *rows])
    assert not reads_like_a_row([list(names[::-1]), *(row[::-1] for row in rows)])


def test_pixel_columns_of_numbers_are_names():
    rows = [[str(i % 3), *map(str, range(i, i + 9))] for i in range(20)]
    assert not reads_like_a_row([["digit", *map(str, range(9))], *rows])
    assert reads_like_a_row(rows)


def test_labels_of_fasttext_in_a_column_of_their_own_are_labels(tmp_path):
    text = "label\ttext\n" + "".join(f"__label__{x}\t{t}\n" for t, x in ROWS)
    assert _read(tmp_path, text).classes == ("__label__negative", "__label__positive")


@pytest.mark.parametrize("line", ["sep=", "sep=x", "sep=#", "sep=;;"])
def test_what_is_no_delimiter_is_not_taken_for_one(tmp_path, line):
    with pytest.raises(DataError, match=r"data\.csv"):
        _read(tmp_path, line + "\n" + _lines(ROWS, "{0};{1}", "a;b"))


def test_the_names_once_more_and_empty_rows_are_left_out_and_counted(tmp_path):
    lines = _lines(ROWS, "{0},{1}").splitlines(keepends=True)
    text = "".join([*lines[:9], lines[0], ",\n", *lines[9:], ",\r\n", "  \n", "\n"])
    dataset = _read(tmp_path, text)
    assert _rows(dataset) == ROWS
    assert sum(out.count for out in dataset.source.left_out) == 4
    assert dataset.train.rows.tolist() == [*range(8), *range(10, 26)]


def test_short_rows_are_padded_and_spare_delimiters_passed_over(tmp_path):
    full = [f"{t},{x},\n" for t, x in ROWS[:4]]
    short = [f"{t},{x}\n" for t, x in ROWS[4:]]
    spare = [f"{t},{x},,,\n" for t, x in ROWS]
    for lines, told in (([*full, *short], True), (spare, False)):
        dataset = _read(tmp_path, "text,label,note\n" + "".join(lines))
        assert _rows(dataset) == ROWS
        assert set(dataset.train.extra("note")) == {""}
        assert not dataset.source.left_out
        assert told == any(len(line.split(",")) < 3 for line in lines)


def test_rows_too_long_are_refused_by_line_or_left_out(tmp_path):
    text = _lines(ROWS, "{0},{1}") + "one, two,positive\n"
    with pytest.raises(DataError, match=r"Line 26 of data\.csv has 3 fields instead of 2.*--drop"):
        _read(tmp_path, text)
    dataset = _read(tmp_path, text, ReadOptions(bad_rows="drop"))
    assert [out.count for out in dataset.source.left_out] == [1]


@pytest.mark.parametrize("quoting", ["double", "single", "none", "backslash"])
def test_what_is_told_is_not_doubted(tmp_path, quoting):
    path = tmp_path / "data.csv"
    path.write_bytes(written(SAID).encode())
    assert detect_format(path, quoting=quoting).quoting == quoting


def test_no_value_of_a_mysql_dump_is_empty(tmp_path):
    text = written([(*row, "x") for row in SAID], ("text", "label", "a"), **BACKSLASH)
    text = text.replace(",x\r\n", ",\\N\r\n").replace("lovely.,", "lovely\\\\N.,")
    dataset = _read(tmp_path, text)
    assert set(dataset.train.extra("a")) == {""}
    assert _rows(dataset) == [(t.replace("lovely.", "lovely\\N.") if t[-1] == "." else t, x)
                              for t, x in SAID]  # fmt: skip


def test_what_pandas_reads_is_read_alike(tmp_path):
    frame = pd.DataFrame(SAID, columns=["text", "label"])
    for index, end in ((False, "\n"), (True, "\r\n")):
        text = frame.to_csv(index=index, lineterminator=end)
        assert _rows(_read(tmp_path, text)) == SAID
