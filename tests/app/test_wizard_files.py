"""What is not sure of a file, told in the wizard: its encoding, its sheet, what messages advise."""

import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from messages import options_in
from messages import sentences as sentences_of
from tiny import sentences
from wizard_page import given, said, table

# The control by which what an option says is said here.
CONTROLS = {
    "--content": "Sentence or image", "--label": "Label", "--id": "Id", "--no-id": "Id",
    "--split": "Split", "--splits": "Splits", "--no-split": "Split",
    "--group": "Group", "--join": "Join labels",
    "--leave-out": "Leave out labels", "--image-root": "Image folder",
    "--drop-bad": "Leave bad rows out", "--encoding": "Encoding", "--delimiter": "Delimiter",
    "--quoting": "Quoting", "--header": "First line names the columns",
    "--no-header": "First line names the columns",
    "--features": "Column of lists, or path of a file",
    "--proba": "Paths of files, as train=/a.npy,test=/b.npy",
}  # fmt: skip


def chosen(page, title):
    return next(box for box in page.selectbox if box.label == title)


def test_what_is_not_sure_of_a_file_can_be_told_and_is_seen_at_once(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes("да,Дом\nнет,Сон\nда,Мост\nнет,Сад\nда,Том\n".encode("cp1251"))
    page = given(path)
    assert "Line 1 of mine.csv does not fit UTF-8" in said(page)
    chosen(page, "Encoding").set_value("koi8-r").run()
    assert [line.value for line in page.text][:2] == ["ДЮ,дНЛ", "МЕР,яНМ"]
    chosen(page, "Encoding").set_value("cp1251").run()
    assert [line.value for line in page.text][:2] == ["да,Дом", "нет,Сон"]
    assert "reads like a row" in said(page)
    chosen(page, "First line names the columns").set_value("no").run()
    assert "name the label column" in said(page)
    chosen(page, "Label").set_value(0).run()
    chosen(page, "Sentence or image").set_value(1).run()
    assert not page.exception
    assert "5 sentences: 5 train" in said(page)


@pytest.mark.parametrize("how", ["folder", "zip"])
def test_the_encoding_of_several_files_can_be_told(tmp_path, how):
    folder = tmp_path / "films"
    folder.mkdir()
    for name in ("train", "test"):
        rows = "".join(f"фильм {name} {i},{'да' if i % 2 else 'нет'}\n" for i in range(12))
        (folder / f"{name}.csv").write_bytes(f"text,label\n{rows}".encode("cp1251"))
    path = folder if how == "folder" else Path(shutil.make_archive(str(folder), "zip", folder))
    page = given(path)
    assert not page.exception
    chosen(page, "Encoding").set_value("cp1251").run()
    assert not page.exception
    assert "24 sentences: 12 train, 12 test" in said(page)


def test_a_folder_without_texts_has_no_such_menus(tmp_path):
    (tmp_path / "one").mkdir()
    pq.write_table(
        pa.table({"text": ["x"] * 4, "label": ["a", "b"] * 2}), tmp_path / "one/a.parquet"
    )
    page = given(tmp_path / "one")
    assert "Encoding" not in {box.label for box in page.selectbox}


def test_what_messages_advise_can_be_chosen_here(tmp_path):
    page = given(table(tmp_path))
    kinds = (page.selectbox, page.multiselect, page.text_input, page.toggle)
    shown = {control.label for kind in kinds for control in kind}
    named = {o for _, said in sentences_of("data", "workflow/projects") for o in options_in(said)}
    # See test_a_hub_data_set_has_… and test_a_sheet_…; the wizard takes no encoder.
    of_others = {"--config", "--revision", "--kind", "--encoder", "--sheet"}
    assert {CONTROLS[option] for option in named - of_others} <= shown


def test_a_sheet_of_a_workbook_can_be_told(tmp_path):
    texts, _ = sentences(12)
    rows = pd.DataFrame({"text": texts, "label": ["a", "b"] * 6})
    with pd.ExcelWriter(tmp_path / "mine.xlsx") as book:
        rows.to_excel(book, sheet_name="New", index=False)
        rows[:8].to_excel(book, sheet_name="Old", index=False)
    page = given(tmp_path / "mine.xlsx")
    assert "12 sentences: 12 train" in said(page)
    next(b for b in page.text_input if b.label == "Sheet").set_value("Old").run()
    assert "8 sentences: 8 train" in said(page)
    next(b for b in page.text_input if b.label == "Sheet").set_value("Odl").run()
    assert "no sheet 'Odl'" in said(page) and not page.exception
