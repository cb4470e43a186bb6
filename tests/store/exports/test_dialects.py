"""From a file in any dialect and back: without edits to the byte, with one in that field only."""

import csv
from dataclasses import replace

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from text_cases import SENTENCES, spoken, written

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.data.readers.text.csv_file import form_of, read_csv
from influence_core.disk.fingerprint import of_file
from influence_core.errors import DataError
from influence_core.store.exports.csv_bytes import write_csv
from influence_core.store.exports.csv_fields import field_spans
from influence_core.store.exports.edits import Edit
from influence_core.store.exports.plan import ExportPlan

FEW = settings(max_examples=settings.default.max_examples // 2)
# Words that need the dialect's marks, as texts have them.
WORDS = st.sampled_from(
    ["it's", 'say "hi"', "a, b", "c; d", "tab\there", "C:\\dir", "two\nlines", "two\r\nlines",
     "-1", "007", "NA", "#tag", "émile", "日本", "x|y", "=cmd()", '"', "'tis", "plain", "words"]
)  # fmt: skip
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" and ".join)
LABELS = st.sampled_from(["good, I say", 'so "so"', "isn't", "bad", " spaced", "C\\D"])
STYLES = {
    "double": {},
    "all": {"quoting": csv.QUOTE_ALL},
    "backslash": {"quoting": csv.QUOTE_ALL, "doublequote": False, "escapechar": "\\"},
    "none-backslash": {"quoting": csv.QUOTE_NONE, "escapechar": "\\"},
    "single": {"quotechar": "'"},
    "single-all": {"quotechar": "'", "quoting": csv.QUOTE_ALL},
}
TOLD = {"all": "double", "single-all": "single", "none-backslash": "backslash"}


@st.composite
def dialects(draw):
    """Rows, and how they are written: style, delimiter, encoding, by whom."""
    rows = draw(st.lists(st.tuples(TEXTS, LABELS), min_size=6, max_size=12))
    rows = [(f"{i} {text}", label) for i, (text, label) in enumerate(rows)]
    rows += [("'t is 'so', \"he\" said\\", "first"), ("last", "first")]
    style = draw(st.sampled_from(sorted(STYLES)))
    delimiter = draw(st.sampled_from(",;\t|"))
    by_pandas = draw(st.booleans())
    text = written(rows, by_pandas=by_pandas, delimiter=delimiter, **STYLES[style])
    above = draw(st.sampled_from(["", f"sep={delimiter}\r\n", "# made by us\n"]))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "gb18030"]))
    return rows, style, delimiter, encoding, (above + text).encode(encoding)


def _written_back(path, form, edits, folder):
    out = folder / "out.csv"
    write_csv(ExportPlan(path, edits, column=1, csv=form, sha256=of_file(path)), out)
    return out.read_bytes()


def _rows(path, options):
    raw = read_csv(str(path), options, None)[0]
    return form_of(raw.file), list(zip(*raw.table.to_pydict().values(), strict=True))


@FEW
@given(dialects(), st.booleans(), st.integers(0, 5), LABELS)
def test_any_table_in_any_dialect(tmp_path_factory, case, told, row, label):
    rows, style, delimiter, encoding, data = case
    folder = tmp_path_factory.mktemp("dialect")
    path = folder / "data.csv"
    path.write_bytes(data)
    options = ReadOptions(header=True)
    if told or encoding == "gb18030":
        named = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
        quoting = TOLD.get(style, style)
        options = replace(options, encoding=named, delimiter=delimiter, quoting=quoting)
    try:
        form, found = _rows(path, options)
    except DataError as error:
        assert "data.csv" in str(error)
        assert not told
        return
    assert found == rows
    assert _written_back(path, form, {}, folder) == data
    assume(label != rows[row][1])
    edit = Edit(row, row, f"id{row}", "relabel", rows[row][1], label)
    (folder / "new.csv").write_bytes(_written_back(path, form, {row: edit}, folder))
    same = replace(options, encoding=form.encoding, delimiter=delimiter, quoting=form.quoting)
    _, after = _rows(folder / "new.csv", same)
    assert after == [*rows[:row], (rows[row][0], label), *rows[row + 1 :]]


def test_an_edit_of_each_language_keeps_every_other_byte(tmp_path):
    for language in SENTENCES:
        encoding = {"ru": "koi8-r", "zh": "gbk", "ko": "euc_kr", "ja": "cp932"}.get(language)
        text = written(spoken(language))
        data = text.encode(encoding or "utf-8")
        path = tmp_path / f"{language}.csv"
        path.write_bytes(data)
        dataset = read_source(path, ReadOptions(valid_share=0, test_share=0))
        form = form_of(dataset.source.files["train"])
        old, new = (dataset.classes[i] for i in dataset.train.labels[:2])
        edit = Edit(0, 0, "id0", "relabel", old, new)
        line = text.splitlines(keepends=True)[1]
        start, end = field_spans(line, form)[1]
        wanted = text.replace(line, f"{line[:start]}{new}{line[end:]}", 1)
        assert _written_back(path, form, {0: edit}, tmp_path) == wanted.encode(form.encoding)
