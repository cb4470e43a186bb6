"""Files that are something else than they are called are told what they are, and what to do."""

import gzip
import io
import json
import zipfile

import pandas as pd
import pytest

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import read_source
from influence_core.errors import DataError
from influence_core.workflow.projects.uploads import keep_upload

ROWS = [(f"sentence number {i}", "ab"[i % 2]) for i in range(20)]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)
RECORDS = [{"text": text, "label": label} for text, label in ROWS]
PAGE = "<!DOCTYPE html>\n<html lang=en>\n<title>Sign in, please</title>\n</html>\n"
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


def packed(name, content):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, content)
    return out.getvalue()


def workbook():
    out = io.BytesIO()
    pd.DataFrame(RECORDS).to_excel(out, index=False)
    return out.getvalue()


def parquet():
    return pd.DataFrame(RECORDS).to_parquet()


def feather():
    out = io.BytesIO()
    pd.DataFrame(RECORDS).to_feather(out)
    return out.getvalue()


OTHERS = {
    "a page in a .csv": ("data.csv", PAGE, "a web page"),
    "a page of one line": ("data.csv", "<html><body>a,b</body></html>", "a web page"),
    "a page below a comment": ("data.tsv", "<!-- saved -->\n" + PAGE, "a web page"),
    "a page in a .jsonl": ("data.jsonl", PAGE, "a web page"),
    "a page in a .parquet": ("data.parquet", PAGE, "a web page"),
    "a page in a .zip": ("data.zip", PAGE, "a web page"),
    "a page within a .zip": ("data.zip", packed("train.csv", PAGE), "train.csv holds a web page"),
    "a page in a .csv.gz": ("data.csv.gz", PAGE, "a web page"),
    "a page within a .csv.gz": ("data.csv.gz", gzip.compress(PAGE.encode()), "a web page"),
    "a pointer in a .csv": ("data.csv", POINTER, "git lfs pull"),
    "a pointer in a .arrow": ("data.arrow", POINTER, "git lfs pull"),
    "a workbook in a .csv": ("data.csv", workbook(), "call it .xlsx"),
    "a workbook in a .txt": ("data.txt", workbook(), "call it .xlsx"),
    "a ZIP in a .csv": ("data.csv", packed("train.csv", CSV), "call it .zip"),
    "a ZIP in a .parquet": ("data.parquet", packed("train.csv", CSV), "call it .zip"),
    "a .gz in a .csv": ("data.csv", gzip.compress(CSV.encode()), "call it .gz"),
    "Parquet in a .csv": ("data.csv", parquet(), "call it .parquet"),
    "Parquet in a .feather": ("data.feather", parquet(), "call it .parquet"),
    "Feather in a .parquet": ("data.parquet", feather(), "call it .arrow"),
    "text in a .xlsx": ("data.xlsx", CSV, "holds text"),
    "text in a .parquet": ("data.parquet", CSV, "holds text"),
    "text in a .gz": ("data.csv.gz", CSV, "holds text"),
    "an old workbook": ("data.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "as .xlsx"),
    "an old workbook's name": ("data.xls", b"\xd0\xcf\x11\xe0\xa1\xb1" + bytes(600), "as .xlsx"),
    "records in a .csv": ("data.csv", json.dumps(RECORDS), "call it .json"),
    "written records in a .csv": ("data.csv", json.dumps(RECORDS, indent=1), "call it .json"),
    "lines of records in a .csv": ("data.csv", "\n".join(map(json.dumps, RECORDS)), ".json"),
    "an object in a .csv": ("data.csv", json.dumps({"data": RECORDS}, indent=2), "it .json"),
    "XML": ("data.csv", "<?xml version='1.0'?>\n<rows/>\n", "write its rows as CSV"),
    "rich text": ("data.txt", "{\\rtf1\\ansi\n text,label\\par\n}", "as plain text"),
    "a PDF": ("data.csv", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "a PDF"),
    "a database": ("data.db", b"SQLite format 3\0" + bytes(100), "write its rows as CSV"),
    "text by another name": ("data.dat", CSV, "write it as CSV or JSON"),
}  # fmt: skip


def written(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("case", OTHERS)
def test_what_is_something_else_is_named_with_what_to_do(tmp_path, case):
    name, content, said = OTHERS[case]
    with pytest.raises(DataError) as refusal:
        read_source(written(tmp_path, name, content))
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(name)


def test_an_uploaded_page_is_named_before_anything_is_made_of_it(tmp_path):
    with pytest.raises(DataError, match=r"data\.zip holds a web page"):
        keep_upload(tmp_path / "home", "data.zip", PAGE.encode())


ROW = "<html>page {}</html>,{}\n"
LIKE = {
    "pages with labels": "page,label\n" + "".join(ROW.format(i, "ab"[i % 2]) for i in range(20)),
    "pages with labels and no names": "".join(ROW.format(i, "ab"[i % 2]) for i in range(20)),
    "labels before pages": "label,text\n" + "".join(
        f"{'ab'[i % 2]},<html>page {i}</html>\n" for i in range(20)),
    "objects as texts": "text,label\n" + "".join(
        f'"{{""a"": {i}}} is what it said",{"ab"[i % 2]}\n' for i in range(20)),
    "braces": CSV.replace("text", "{text}", 1),
    "a name that packers begin with": CSV.replace("text", "BZh text", 1),
    "names that Parquet, Feather and GIF begin with": "FEA1,text,label\n" + "".join(
        f"GIF8{i},sentence number {i},{'ab'[i % 2]}\n" for i in range(20)),
    "a name that archives begin with": CSV.replace("text", "Rar! text", 1),
    "a name as of a Parquet file": CSV.replace("text", "PAR1 text", 1),
}  # fmt: skip


@pytest.mark.parametrize("case", LIKE)
def test_what_only_looks_like_something_else_is_read(tmp_path, case):
    options = ReadOptions(header=False, label_column="column_2") if "no names" in case else None
    made = read_source(written(tmp_path, "data.csv", LIKE[case]), options)
    assert sum(len(split) for split in made) == 20
    assert made.classes == ("a", "b")


def test_letters_that_are_cut_at_the_end_of_what_is_looked_at_are_text(tmp_path):
    for shift in range(4):
        path = written(tmp_path, "data.xlsx", "a" * shift + "héé" * 3000)
        with pytest.raises(DataError, match="holds text"):
            read_source(path)
