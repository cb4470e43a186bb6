"""A small table as a file of every kind that is read; and the same file again as a table."""

import gzip
import json
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa


def reviews(rows=24, start=0):
    """Sentences with quotes, line ends and more than ASCII; two classes; a column that rides."""
    numbers = range(start, start + rows)
    return pd.DataFrame(
        {
            "text": [f'Film {i}, "so" to speak\n😀 ' for i in numbers],
            "label": [["neg", "pos"][i % 2] for i in numbers],
            "stars": [i / 2 for i in numbers],
        }
    )


def _records(frame):
    return [dict(row) for row in frame.to_dict("records")]


def _lines(frame, path):
    frame.to_json(path, orient="records", lines=True, force_ascii=False)


def _listed(frame, path):
    path.write_text(json.dumps(_records(frame), indent=2))


def _wrapped(frame, path):
    path.write_text(json.dumps({"version": 1, "data": _records(frame), "by": ["x"]}))


def _oriented(orient):
    def written(frame, path):
        frame.to_json(path, orient=orient, force_ascii=False)

    return written


def _lists(frame, path):
    path.write_text(json.dumps(frame.to_dict("list"), indent=1))


def _gz_of(write):
    def packed(frame, path):
        inner = path.with_suffix("")
        write(frame, inner)
        path.write_bytes(gzip.compress(inner.read_bytes()))
        inner.unlink()

    return packed


def _zip_of(write, name):
    def packed(frame, path):
        inner = path.with_name(name)
        write(frame, inner)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.md", "what this is")
            archive.write(inner, f"sub/{name}")
        inner.unlink()

    return packed


def _csv(frame, path):
    frame.to_csv(path, index=False)


def _excel(frame, path):
    frame.to_excel(path, index=False)


def _parquet(frame, path):
    frame.to_parquet(path, index=False)


def _feather(frame, path):
    frame.to_feather(path)


def _stream(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


def _ipc(frame, path):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=7)


# File name, kind, how it is written.
KINDS = {
    "a.csv": ("csv", _csv),
    "a.csv.gz": ("csv", _gz_of(_csv)),
    "a.zip": ("csv", _zip_of(_csv, "b.csv")),
    "a.jsonl": ("json", _lines),
    "a.ndjson": ("json", _lines),
    "a.json": ("json", _listed),
    "b.json": ("json", _lines),
    "c.json": ("json", _wrapped),
    "split.json": ("json", _oriented("split")),
    "index.json": ("json", _oriented("index")),
    "columns.json": ("json", _oriented("columns")),
    "table.json": ("json", _oriented("table")),
    "lists.json": ("json", _lists),
    "columns.zip": ("json", _zip_of(_oriented("columns"), "b.json")),
    "a.jsonl.gz": ("json", _gz_of(_lines)),
    "b.zip": ("json", _zip_of(_listed, "b.json")),
    "a.xlsx": ("xlsx", _excel),
    "a.parquet": ("parquet", _parquet),
    "a.feather": ("arrow", _feather),
    "a.arrow": ("arrow", _ipc),
    "b.arrow": ("arrow", _stream),
    "a.feather.gz": ("arrow", _gz_of(_feather)),
}


def write(name, folder, frame=None):
    """The table as a file of this name in a folder; returns its path."""
    path = Path(folder) / name
    KINDS[name][1](reviews() if frame is None else frame, path)
    return path
