"""Exports of every kind of file: the source without edits, with them only what was decided."""

import json
import zipfile
from dataclasses import replace

import openpyxl
import pandas as pd
import pytest
from edits import make_edits
from kinds import KINDS, reviews, write
from kinds_exported import WHY, edits_of, expected

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError, MismatchError, StoreError
from influence_core.store.exports.edits import ExportOptions, usual_suffix
from influence_core.store.exports.export import export
from influence_core.store.exports.manifest import manifest_path
from influence_core.store.exports.revert import revert
from influence_core.workflow.projects.create import NewProject, create

HEAD = ["text", "label"]


WRITE = {"csv": pd.DataFrame.to_csv, "parquet": pd.DataFrame.to_parquet}


READ = {"csv": pd.read_csv, "parquet": pd.read_parquet}


@pytest.mark.parametrize(
    ("train", "valid", "test"),
    [("csv", None, "parquet"), ("parquet", "csv", None), ("csv", "csv", "parquet"),
     ("parquet", "parquet", "csv")],
)  # fmt: skip
def test_each_split_may_be_of_another_kind(tmp_path, train, valid, test):
    given = {"train": train, "valid": valid, "test": test}
    files = {split: tmp_path / f"{split}.{kind}" for split, kind in given.items() if kind}
    for number, (split, path) in enumerate(files.items()):
        WRITE[given[split]](reviews(start=100 * number), path, index=False)
    parts = {split: str(path) for split, path in files.items() if split != "train"}
    request = NewProject(str(files["train"]), name="mixed", **parts)
    project = create(request, tmp_path / "home")
    kinds = {split: file.kind for split, file in project.dataset.source.files.items()}
    assert {split: kinds[split] for split in files} == {s: given[s] for s in files}
    for number, split in enumerate(files):
        edits = edits_of(project.dataset, split)
        out = tmp_path / f"clean-{split}.{given[split]}"
        manifest = export(project.dataset, edits, out, options=ExportOptions(split=split))
        assert manifest.provenance["split"] == split
        wanted = expected(edits, reviews(start=100 * number))
        pd.testing.assert_frame_equal(READ[given[split]](out), wanted)
        revert(manifest_path(out, folder=False), tmp_path / f"back-{split}")
        assert (tmp_path / f"back-{split}").read_bytes() == files[split].read_bytes()


def test_a_split_whose_columns_stand_in_another_order_changes_in_its_label_only(tmp_path):
    reviews().to_csv(tmp_path / "train.csv", index=False)
    turned = reviews(start=50)[["stars", "label", "text"]]
    turned.to_csv(tmp_path / "test.csv", index=False)
    request = NewProject(str(tmp_path / "train.csv"), name="t", test=str(tmp_path / "test.csv"))
    data = create(request, tmp_path / "home").dataset
    edits, out = edits_of(data, "test"), tmp_path / "out.csv"
    export(data, edits, out, options=ExportOptions(split="test"))
    pd.testing.assert_frame_equal(pd.read_csv(out), expected(edits, turned))


def test_a_split_that_was_cut_off_one_file_is_exported_with_that_file(tmp_path):
    reviews(60).to_csv(tmp_path / "all.csv", index=False)
    data = read_source(str(tmp_path / "all.csv"))
    edits, out = edits_of(data, "test"), tmp_path / "out.csv"
    manifest = export(data, edits, out, options=ExportOptions(split="test"))
    pd.testing.assert_frame_equal(pd.read_csv(out), expected(edits, reviews(60)))
    assert any("train" in note and "as they were" in note for note in manifest.notes)
    export(
        data, edits, tmp_path / "own.csv", options=ExportOptions(split="test", from_project=True)
    )
    assert len(pd.read_csv(tmp_path / "own.csv")) == len(data.split("test")) - 1
    with pytest.raises(MismatchError):  # of the wrong split
        export(data, edits, tmp_path / "no.csv")
    with pytest.raises(DataError, match="no split 'dev'"):
        export(data, [], tmp_path / "no.csv", options=ExportOptions(split="dev"))


WHOLE = ReadOptions(valid_share=0, test_share=0)


def again(path):
    """What an export reads as, by the reader that read its source."""
    data = read_source(str(path), WHOLE)
    stars = [float(value) for value in data.train.extra("stars")]
    labels = [data.classes[i] for i in data.train.labels]
    return pd.DataFrame({"text": data.train.texts(), "label": labels, "stars": stars})


@pytest.mark.parametrize("name", KINDS)
def test_without_edits_the_source_comes_back_to_the_byte(tmp_path, name):
    path = write(name, tmp_path)
    out = tmp_path / "out" / name
    manifest = export(read_source(str(path), WHOLE), [], out)
    assert out.read_bytes() == path.read_bytes()
    assert manifest.counts == {"remove": 0, "relabel": 0, "rows": 24}
    revert(manifest_path(out, folder=False), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_edits_change_what_was_decided_and_nothing_else(tmp_path, name):
    path = write(name, tmp_path)
    data = read_source(str(path), WHOLE)
    train, edits = data.train, edits_of(data)
    # The last one, and two neighbours in the middle, go too.
    gone = {int(train.keys[i]): None for i in (9, 10, 23)}
    edits = sorted([*edits, *make_edits(data, gone, WHY)], key=lambda edit: edit.row)
    out = tmp_path / "out" / name
    manifest = export(data, edits, out)
    assert manifest.counts == {"remove": 4, "relabel": 1, "rows": 20}
    pd.testing.assert_frame_equal(again(out), expected(edits, reviews()))
    revert(manifest_path(out, folder=False), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_every_row_may_go(tmp_path, name):
    path = write(name, tmp_path)
    data = read_source(str(path), WHOLE)
    edits = make_edits(data, {int(key): None for key in data.train.keys}, WHY)
    manifest = export(data, edits, tmp_path / "out" / name)
    assert manifest.counts["rows"] == 0
    if name.endswith(".json") and name != "b.json":
        left = json.loads((tmp_path / "out" / name).read_text())
        assert ("data" in left) == (name in ("c.json", "split.json", "table.json"))


@pytest.mark.parametrize("orient", ["split", "index", "columns", "table"])
def test_pandas_reads_what_is_left_of_its_json(tmp_path, orient):
    frame = reviews().set_index(pd.Index([f"row, {i}" for i in range(24)], name="at"))
    frame.to_json(tmp_path / "a.json", orient=orient)
    data = read_source(str(tmp_path / "a.json"), WHOLE)
    edits = edits_of(data)
    manifest = export(data, edits, tmp_path / "out.json")
    assert manifest.counts["rows"] == 23
    left = pd.read_json(tmp_path / "out.json", orient=orient)
    numbered = frame.reset_index(drop=True)
    for edit in edits:
        numbered.loc[edit.row, "label"] = edit.new_label
    expected = numbered.set_index(frame.index).drop(
        [frame.index[edit.row] for edit in edits if edit.new_label is None]
    )
    pd.testing.assert_frame_equal(left, expected, check_names=False, check_dtype=False)


def test_json_changes_one_value_of_a_line(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [f'{{"label":"neg",  "text": "caf\\u00e9 {i}", "n": 1.50}}' for i in range(8)]
    path.write_text("\r\n".join([*rows, '{"text": "x", "label": "pos"}']))
    data = read_source(str(path), WHOLE)
    edits = make_edits(data, {int(data.train.keys[2]): "pos", int(data.train.keys[3]): None}, WHY)
    export(data, edits, tmp_path / "out.jsonl")
    rows[2] = rows[2].replace("neg", "pos")
    del rows[3]
    made = "\r\n".join([*rows, '{"text": "x", "label": "pos"}'])
    assert (tmp_path / "out.jsonl").read_bytes() == made.encode()


def test_json_labels_keep_their_type(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"text": f"t{i}", "label": i % 2} for i in range(6)]))
    data = read_source(str(path), WHOLE)
    edits = make_edits(data, {int(data.train.keys[0]): "1"}, WHY)
    export(data, edits, tmp_path / "out.json")
    assert [row["label"] for row in json.loads((tmp_path / "out.json").read_text())] == [
        *(1, 1, 0, 1, 0, 1)
    ]


def test_a_workbook_keeps_its_other_sheets_formats_and_values_of_formulas(tmp_path):
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["text", "label", "n"])
    for i in range(8):
        sheet.append([f"film {i}", ["neg", "pos"][i % 2], i])
    sheet["A6"].font = openpyxl.styles.Font(bold=True)
    book.create_sheet("Notes").append(["keep", "me"])
    book.save(path)
    data = read_source(str(path), WHOLE)
    edits = make_edits(data, {int(data.train.keys[1]): None, int(data.train.keys[0]): "pos"}, WHY)
    manifest = export(data, edits, tmp_path / "out.xlsx")
    made = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert [cell.value for cell in made.active[2]] == ["film 0", "pos", 0]
    assert [cell.value for cell in made.active["A"]][1:] == [f"film {i}" for i in (0, *range(2, 8))]
    assert made.active["A5"].font.bold
    assert made.active.max_row == 8
    assert [cell.value for cell in made["Notes"][1]] == ["keep", "me"]
    assert "all cells are kept" in manifest.notes[0]


def test_a_workbook_is_exported_as_it_was_read(tmp_path):
    """Titles stay, and an earlier import, which took another sheet than today, keeps its own."""
    book = openpyxl.Workbook()
    for title, above, head in (("Old", [["Report"]], ["what", "kind"]), ("New", [], HEAD)):
        sheet = book.create_sheet(title)
        for line in (*above, head, *([f"film {i} {title}", "ab"[i % 2]] for i in range(8))):
            sheet.append(line)
    del book["Sheet"]
    book.save(tmp_path / "a.xlsx")
    assert read_source(tmp_path / "a.xlsx", WHOLE).source.files["train"].sheet == "New"
    named = replace(WHOLE, sheet="Old", content_column="Report", label_column="column_2")
    data = read_source(tmp_path / "a.xlsx", named)
    source = replace(data.source, options={**data.source.options, "sheet": None})
    data = replace(data, source=source)
    export(data, edits_of(data), tmp_path / "out.xlsx")
    made = openpyxl.load_workbook(tmp_path / "out.xlsx")
    assert [cell.value for cell in made["Old"]["A"][:2]] == ["Report", "film 0 Old"]
    assert made["Old"].max_row == 9 and made["New"].max_row == 9


def test_titles_stay_in_an_export(tmp_path):
    book = openpyxl.Workbook()
    for line in (["Report"], [], HEAD, *([f"film {i}", "ab"[i % 2]] for i in range(8))):
        book.active.append(line)
    book.save(tmp_path / "a.xlsx")
    data = read_source(tmp_path / "a.xlsx", WHOLE)
    assert data.source.files["train"].above == 2
    export(data, edits_of(data), tmp_path / "out.xlsx")
    made = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert [row[0].value for row in made.iter_rows(max_row=3)] == ["Report", None, "text"]
    assert made.max_row == 10


def test_other_files_of_a_zip_stay(tmp_path):
    path = write("a.zip", tmp_path)
    data = read_source(str(path), WHOLE)
    export(data, edits_of(data), tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.namelist() == ["README.md", "sub/b.csv"]
        assert archive.read("README.md") == b"what this is"
        assert archive.testzip() is None


def test_without_a_copy_there_is_no_way_back_and_it_is_said(tmp_path):
    for name in ("a.xlsx", "a.csv.gz", "a.feather"):
        data = read_source(str(write(name, tmp_path)), WHOLE)
        made = export(
            data, edits_of(data), tmp_path / f"o-{name}", None, ExportOptions(False, False)
        )
        assert "cannot be reverted" in made.notes[-1]


@pytest.mark.parametrize("form", ["csv", "json", "parquet", "arrow", "hf"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.xlsx", "a.csv.gz"])
def test_any_kind_becomes_any_other(tmp_path, name, form):
    data = read_source(str(write(name, tmp_path)), WHOLE)
    edits = edits_of(data)
    suffix = {"json": "jsonl", "hf": "saved"}.get(form, form)
    export(data, edits, tmp_path / f"out.{suffix}", form)
    pd.testing.assert_frame_equal(again(tmp_path / f"out.{suffix}"), expected(edits, reviews()))


def test_only_a_workbook_becomes_a_workbook(tmp_path):
    data = read_source(str(write("a.csv", tmp_path)), WHOLE)
    with pytest.raises(StoreError, match="Only workbooks can be exported as 'xlsx'"):
        export(data, [], tmp_path / "out.xlsx", "xlsx")


def test_an_export_in_another_format_is_called_by_it(tmp_path):
    data = read_source(str(write("a.csv.gz", tmp_path)), WHOLE)
    called = {form: usual_suffix(data, form) for form in ("csv", "json", "parquet", "arrow", "hf")}
    assert called == {
        "csv": ".csv.gz", "json": ".jsonl", "parquet": ".parquet", "arrow": ".arrow", "hf": "",
    }  # fmt: skip
