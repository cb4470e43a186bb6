"""Pictures within a table, as bytes or as text: read, and the file comes back to the byte."""

import base64
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from edits import Why, make_edits
from tiny import png

from influence_core.data.options import ReadOptions
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError
from influence_core.store.exports.export import export

PICTURES = [png(10 + i) for i in range(24)]
LABELS = ["ab"[i % 2] for i in range(24)]
CODED = [base64.b64encode(picture).decode() for picture in PICTURES]
URLS = ["data:image/png;base64," + text for text in CODED]
WRAPPED = [base64.encodebytes(picture).decode() for picture in PICTURES]


def csv(path, values):
    pd.DataFrame({"image": values, "label": LABELS}).to_csv(path, index=False)


def json_lines(path, values):
    rows = [json.dumps({"image": v, "label": x}) for v, x in zip(values, LABELS, strict=True)]
    path.write_text("\n".join(rows))


def parquet(path, values, kind=None):
    pq.write_table(pa.table({"image": pa.array(values, kind), "label": LABELS}), path)


def of_datasets(data, path=None):
    return [{"bytes": value, "path": path} for value in data]


HELD = {
    "b64.csv": (csv, CODED), "url.csv": (csv, URLS), "wrapped.csv": (csv, WRAPPED),
    "b64.jsonl": (json_lines, CODED), "hf.jsonl": (json_lines, of_datasets(URLS, "a.png")),
    "b64.parquet": (parquet, CODED), "bytes.parquet": (parquet, PICTURES),
    "hf.parquet": (parquet, of_datasets(PICTURES)),
    "named.parquet": (parquet, of_datasets(PICTURES, "a.png")),
}  # fmt: skip


@pytest.mark.parametrize("name", HELD)
def test_pictures_in_a_column_are_pictures(tmp_path, name):
    write, values = HELD[name]
    path = tmp_path / name
    write(path, values)
    data = read_source(str(path), ReadOptions(valid_share=0, test_share=0))
    assert data.modality == "image" and data.classes == ("a", "b")
    assert [data.train.image_bytes(i) for i in range(24)] == PICTURES
    assert preview_source(str(path)).roles.kind == "image"
    export(data, [], tmp_path / "out" / name)
    assert (tmp_path / "out" / name).read_bytes() == path.read_bytes()
    edits = make_edits(data, {int(data.train.keys[0]): "b"}, Why("x", who="ada"))
    export(data, edits, tmp_path / "new" / name)
    again = read_source(str(tmp_path / "new" / name), ReadOptions(valid_share=0, test_share=0))
    assert [again.train.image_bytes(i) for i in range(24)] == PICTURES
    assert again.train.labels.tolist() == [1, *data.train.labels.tolist()[1:]]


def test_a_fixed_number_of_bytes_is_a_picture(tmp_path):
    longest = max(map(len, PICTURES))
    padded = [picture + b"\0" * (longest - len(picture)) for picture in PICTURES]
    parquet(tmp_path / "a.parquet", padded, pa.binary(longest))
    assert read_source(str(tmp_path / "a.parquet")).modality == "image"


@pytest.mark.parametrize("odd", ["", "iVBORw0KGgo", "no picture", CODED[0][:60] + "*" * 9])
def test_an_odd_value_is_named(tmp_path, odd):
    json_lines(tmp_path / "a.jsonl", [*CODED[:7], odd, *CODED[8:]])
    with pytest.raises(DataError, match=r"Line 8 of a.jsonl has a bad image in column 'image'"):
        read_source(str(tmp_path / "a.jsonl"))
    data = read_source(str(tmp_path / "a.jsonl"), ReadOptions(bad_rows="drop"))
    assert sum(out.count for out in data.source.left_out) == 1


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([{"bytes": None, "path": f"{i}.png"} for i in range(24)], "without the pictures"),
        (list(map(str, PICTURES)), "as Python prints bytes"),
        ([list(picture) for picture in PICTURES], "lists of numbers"),
    ],
)
def test_pictures_that_nobody_reads_are_refused_with_what_to_do(tmp_path, values, why):
    parquet(tmp_path / "a.parquet", values)
    for options in (ReadOptions(), ReadOptions(content_column="image")):
        with pytest.raises(DataError, match=f"{why}.*save the pictures as files"):
            read_source(str(tmp_path / "a.parquet"), options)


def test_words_that_begin_like_pictures_are_words(tmp_path):
    texts = [f"/9j/ and iVBORw0KGgo are words of film {i}" for i in range(24)]
    json_lines(tmp_path / "a.jsonl", texts)
    assert read_source(str(tmp_path / "a.jsonl")).modality == "text"
