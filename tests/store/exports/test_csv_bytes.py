import csv
import io

import pytest
from hostile_csv import LABELS, HostileCsv, hostile_csvs
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.readers.text.csv_format import CsvFormat, read_records
from influence_core.disk.fingerprint import of_file
from influence_core.errors import MismatchError, StoreError
from influence_core.store.exports.csv_bytes import write_csv
from influence_core.store.exports.csv_fields import field_spans, is_formula
from influence_core.store.exports.edits import Edit, ExportOptions
from influence_core.store.exports.plan import ExportPlan
from influence_core.store.exports.way_back import Way, unpatched

PLAIN = CsvFormat("utf-8", bom=False, delimiter=",")


def _rows(data: bytes, form: CsvFormat) -> list[list[str]]:
    """The oracle: what Python's own reader sees, blank lines left out."""
    text = data.decode(form.encoding)
    lines = list(io.StringIO(text[1:] if form.bom else text, newline=""))
    return [row for row in csv.reader(lines[form.above :], **_dialect(form)) if row]


def _dialect(form: CsvFormat) -> dict:
    return {
        "delimiter": form.delimiter,
        "quoting": csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        "quotechar": form.quote or None,
        "doublequote": not form.escapes,
        "escapechar": "\\" if form.escapes else None,
        "skipinitialspace": form.skip_blanks,
    }


def _edit(row: int, old: str | None, new: str | None) -> Edit:
    return Edit(row, row, f"id{row}", "remove" if new is None else "relabel", old, new)


def _run(folder, hostile: HostileCsv, edits, *, safe=False):
    source, out = folder / "source.csv", folder / "out.csv"
    source.write_bytes(hostile.data)
    plan = ExportPlan(
        source, edits, options=ExportOptions(spreadsheet_safe=safe), column=hostile.column,
        csv=hostile.form, sha256=of_file(source),
    )  # fmt: skip
    written = write_csv(plan, out)
    return out.read_bytes(), written


def _back(data: bytes, written) -> bytes:
    heard = []
    patches = Way.read(written.revert, "here").patches
    made = b"".join(unpatched(io.BytesIO(data), patches, heard.append))
    assert b"".join(heard) == data
    return made


@st.composite
def edited_csvs(draw):
    """A hostile file, some edits of its rows, and the rows that should be left."""
    hostile = draw(hostile_csvs())
    rows = _rows(hostile.data, hostile.form)
    form = hostile.form
    able = form.quote or form.escapes
    new_labels = [x for x in LABELS if able or ("\n" not in x and "," not in x)]
    edits, left = {}, rows[: form.header]
    for number, row in enumerate(rows[form.header :]):
        change = draw(st.sampled_from(["keep", "remove", "relabel"]))
        old = row[hostile.column]
        if change == "keep":
            left.append(row)
            continue
        new = None if change == "remove" else draw(st.sampled_from(new_labels))
        edits[number] = _edit(number, old, new)
        if new is not None:
            left.append([*row[: hostile.column], new, *row[hostile.column + 1 :]])
    return hostile, edits, left


@given(edited_csvs())
def test_export_reads_as_the_edited_source_and_reverts_to_its_bytes(tmp_path_factory, case):
    hostile, edits, left = case
    data, result = _run(tmp_path_factory.mktemp("csv"), hostile, edits)
    assert _rows(data, hostile.form) == left
    assert result.rows == len(left) - hostile.form.header
    assert _back(data, result) == hostile.data


@given(hostile_csvs())
def test_no_edits_are_the_identity(tmp_path_factory, hostile):
    data, result = _run(tmp_path_factory.mktemp("csv"), hostile, {})
    assert data == hostile.data
    assert result.revert["patches"] == []


@given(edited_csvs())
def test_untouched_fields_keep_their_bytes(tmp_path_factory, case):
    hostile, edits, _ = case
    folder = tmp_path_factory.mktemp("csv")
    _run(folder, hostile, edits)
    form = hostile.form
    before = [r.raw for r in read_records(folder / "source.csv", form) if r.fields]
    after = [r.raw for r in read_records(folder / "out.csv", form) if r.fields]
    removed = {row for row, edit in edits.items() if edit.new_label is None}
    kept = [raw for i, raw in enumerate(before) if i - form.header not in removed]
    assert len(kept) == len(after)
    numbers = [i - form.header for i in range(len(before)) if i - form.header not in removed]
    for number, *pair in zip(numbers, kept, after, strict=True):
        # Line ends are left out: once a row is gone, the "\r" before it and the "\n" of a blank
        # line after it read as one.
        old, new = (raw[: field_spans(raw, form)[-1][1]] for raw in pair)
        if number not in edits:
            assert old == new
            continue
        (a, b), (c, d) = (field_spans(raw, form)[hostile.column] for raw in (old, new))
        assert (old[:a], old[b:]) == (new[:c], new[d:])


@given(edited_csvs())
def test_spreadsheet_safe_leaves_no_formula_and_reverts(tmp_path_factory, case):
    hostile, edits, left = case
    data, result = _run(tmp_path_factory.mktemp("csv"), hostile, edits, safe=True)
    rows = _rows(data, hostile.form)
    assert not any(is_formula(value) for row in rows for value in row)
    for got, wanted in zip(rows, left, strict=True):
        assert [f"'{v}" if is_formula(v) else v for v in wanted] == got
    changed = sum(is_formula(v) for row in left for v in row)
    assert [note.split()[0] for note in result.notes] == [str(changed)] * bool(changed)
    assert _back(data, result) == hostile.data


@given(hostile_csvs())
def test_field_spans_hold_the_values_that_the_reader_sees(tmp_path_factory, hostile):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes(hostile.data)
    for record in read_records(path, hostile.form):
        if not record.fields:
            continue
        spans = field_spans(record.raw, hostile.form)
        parts = [io.StringIO(record.raw[a:b], newline="") for a, b in spans]
        values = [next(csv.reader(part, **_dialect(hostile.form)), [""]) for part in parts]
        assert [value[0] if value else "" for value in values] == record.fields


def _small(tmp_path, text: str, edits, form=PLAIN, column=1):
    data = text.encode(form.encoding)
    return _run(tmp_path, HostileCsv(data, form, column), edits)


@pytest.mark.parametrize(
    ("row", "new", "expected"),
    [
        (0, "no", 'id,label,x\n001,no,"a ""b"""\r\n002,"pos",\r003,neg,z'),
        (1, "no", 'id,label,x\n001,pos,"a ""b"""\r\n002,"no",\r003,neg,z'),
        (2, "a,b", 'id,label,x\n001,pos,"a ""b"""\r\n002,"pos",\r003,"a,b",z'),
        (2, None, 'id,label,x\n001,pos,"a ""b"""\r\n002,"pos",\r'),
        (0, None, 'id,label,x\n002,"pos",\r003,neg,z'),
    ],
)
def test_one_edit_changes_just_this(tmp_path, row, new, expected):
    text = 'id,label,x\n001,pos,"a ""b"""\r\n002,"pos",\r003,neg,z'
    old = "neg" if row == 2 else "pos"
    data, _ = _small(tmp_path, text, {row: _edit(row, old, new)})
    assert data.decode() == expected


def test_an_empty_label_alone_in_its_line_is_quoted(tmp_path):
    data, _ = _small(tmp_path, "label\na\nb\n", {0: _edit(0, "a", "")}, column=0)
    assert data == b'label\n""\nb\n'


def test_another_label_than_the_edit_says_is_refused(tmp_path):
    with pytest.raises(MismatchError, match="Line 3 of the source should have the label 'pos'"):
        _small(tmp_path, "id,label\n\n1,neg\n", {0: _edit(0, "pos", None)})


def test_a_row_beyond_the_end_is_refused(tmp_path):
    with pytest.raises(StoreError, match="row 8, but the source has 1 rows"):
        _small(tmp_path, "id,label\n1,neg\n", {7: _edit(7, "neg", None)})


def test_a_line_without_label_field_cannot_be_relabelled(tmp_path):
    with pytest.raises(StoreError, match=r"Line 2 .* no label field"):
        _small(tmp_path, "id,label\n1\n", {0: _edit(0, None, "pos")})


def test_a_label_outside_the_encoding_is_refused(tmp_path):
    form = CsvFormat("cp1252", bom=False, delimiter=",")
    with pytest.raises(StoreError, match=r"'😀' cannot be written .* cp1252"):
        _small(tmp_path, "id,label\n1,neg\n", {0: _edit(0, "neg", "ok 😀")}, form)


def test_a_label_that_needs_quotes_is_refused_where_there_are_none(tmp_path):
    form = CsvFormat("utf-8", bom=False, delimiter=",", quoting="none")
    with pytest.raises(StoreError, match=r"choose another label, or export as Parquet\."):
        _small(tmp_path, 'id,label\n1,"neg\n', {0: _edit(0, '"neg', "a,b")}, form)


def test_a_source_of_another_hash_is_refused(tmp_path):
    source = tmp_path / "a.csv"
    source.write_text("id,label\n1,neg\n")
    with pytest.raises(MismatchError, match="changed while it was exported"):
        write_csv(ExportPlan(source, {}, column=1, sha256="0" * 64), tmp_path / "out.csv")


def test_a_codec_that_does_not_survive_the_way_back_is_refused(tmp_path):
    source = tmp_path / "a.csv"
    # Two escape sequences in a row decode to nothing, and are lost in encoding.
    source.write_bytes(b"id,label\n1,\x1b$B\x1b(Bneg\n")
    form = CsvFormat("iso2022_jp", bom=False, delimiter=",")
    plan = ExportPlan(source, {}, column=1, csv=form, sha256=of_file(source))
    with pytest.raises(MismatchError, match="iso2022_jp"):
        write_csv(plan, tmp_path / "out.csv")


def test_plain_numbers_are_no_formulas():
    values = ("-1", "+2.5", "1e5", "-3,5", "-", "=1", "-1+1", " =x", "X=x")
    assert [v for v in values if is_formula(v)] == [
        "-",
        "=1",
        "-1+1",
        " =x",
    ]
