"""Small files that promise a lot: refused in one sentence before anything unfolds."""

import subprocess
import sys

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from tiny import huge_png

from influence_core.data import budget
from influence_core.data.budget import decoded_bytes
from influence_core.data.build import build_dataset
from influence_core.data.checks.check import check_dataset
from influence_core.data.options import ReadOptions
from influence_core.data.readers import registry
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError

ROWS = 400
LABELS = pa.array(["a", "b"] * (ROWS // 2))
LONG = "x" * 20_000_000
# What each process may have at its peak; reading the first bomb plainly took 8 GB.
MOST_MEGABYTES = 1_200


def shared(value, rows=ROWS, kind=None):
    """A column that is one value in the file, and as many as there are rows after decoding."""
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([value], kind))


def bytes_and_path(rows=ROWS):
    return pa.StructArray.from_arrays([shared(LONG.encode(), rows), shared("a.png", rows)],
                                      names=["bytes", "path"])  # fmt: skip


COLUMNS = {
    "text": lambda: shared(LONG),
    "label": lambda: shared(LONG),
    "extra": lambda: shared(LONG),
    "image": lambda: shared(LONG.encode()),
    "list": lambda: pa.ListArray.from_arrays(np.arange(ROWS + 1, dtype=np.int32), shared(LONG)),
    "struct": bytes_and_path,
}


def bomb(path, which, declared):
    columns = {"text": pa.array([f"row {i}" for i in range(ROWS)]), "label": LABELS}
    columns[which] = COLUMNS[which]()
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=declared)
    return path


READ = """
import sys
from pathlib import Path
from influence_core.data.readers import registry
from influence_core.data.readers.registry import preview_source, read_source
from influence_core.errors import DataError
for read in (preview_source, read_source):
    try:
        read(sys.argv[1])
        print("it was read")
    except DataError as error:
        print(error)
# Not ru_maxrss, which a process takes over from the one that started it.
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) >> 10)
"""


def sentences_and_peak(path):
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
    )
    *said, peak = done.stdout.splitlines()
    return said, int(peak)


@pytest.mark.parametrize("declared", [False, True])
@pytest.mark.parametrize("which", COLUMNS)
def test_one_long_value_for_every_row_is_not_unfolded(tmp_path, which, declared):
    path = bomb(tmp_path / "bomb.parquet", which, declared)
    assert path.stat().st_size < 100_000
    said, peak = sentences_and_peak(path)
    assert all("bomb.parquet would unpack to more than 1,024 MB" in words for words in said), said
    assert len(said) == 2
    assert peak < MOST_MEGABYTES


def test_views_count_what_they_show():
    views = pa.array(["x" * 100, "y" * 3, None, "x" * 100]).cast(pa.string_view())
    assert decoded_bytes(views) == 203
    assert decoded_bytes(views[1:3]) == 3


SOME = 200_000
REPEATED = {
    "numbers": pa.array(np.zeros(SOME)),
    "truth values": pa.array(np.zeros(SOME, bool)),
    "lists of numbers": pa.ListArray.from_arrays(
        np.arange(0, SOME + 1, 1_000, dtype=np.int32), np.zeros(SOME)
    ),
    "fixed bytes": pa.array([b"x" * 10_000] * 200, pa.binary(10_000)),
    "views": pa.array(["x" * 10_000] * 200).cast(pa.string_view()),
}


@pytest.mark.parametrize("what", REPEATED)
def test_whatever_repeats_is_counted_as_it_unfolds(tmp_path, monkeypatch, what):
    monkeypatch.setattr(budget, "FREE_BYTES", 1 << 20)
    column = REPEATED[what]
    labels = pa.array(["a", "b"] * (len(column) // 2))
    pq.write_table(pa.table({"text": column, "label": labels}), tmp_path / "runs.parquet")
    for read in (preview_source, read_source):
        with pytest.raises(DataError, match="would unpack to more than 1 MB"):
            read(tmp_path / "runs.parquet")


def test_honest_data_may_be_large(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "FREE_BYTES", 1 << 16)
    rng = np.random.default_rng(0)
    texts = ["".join(map(chr, rng.integers(97, 123, 60))) for _ in range(4_000)]
    table = pa.table({"text": texts, "label": ["a", "b"] * 2_000, "n": rng.random(4_000)})
    pq.write_table(table, tmp_path / "d.parquet")
    assert len(read_source(tmp_path / "d.parquet").train) > 2_000


@pytest.mark.parametrize("read", [preview_source, read_source])
def test_runs_in_a_hugging_face_folder_are_one_sentence(tmp_path, read):
    data = datasets.Dataset.from_dict({"text": ["a"] * ROWS, "label": LABELS.to_pylist()})
    data.save_to_disk(str(tmp_path / "hf"))
    (file,) = (tmp_path / "hf").glob("*.arrow")
    table = pa.table({"text": pc.run_end_encode(pa.array([LONG] * 2)), "label": LABELS[:2]})
    file.unlink()
    with pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "hf")
    assert "\n" not in str(caught.value)


def test_what_arrow_trips_over_is_one_sentence(tmp_path, monkeypatch):
    def trip(*_, **__):
        raise pa.ArrowInvalid("offset overflow while concatenating arrays\nstack trace")

    pq.write_table(
        pa.table({"text": ["x"] * 9, "label": list("abcabcabc")}), tmp_path / "d.parquet"
    )
    monkeypatch.setattr(registry, "assemble", trip)
    with pytest.raises(
        DataError, match="offset overflow while concatenating arrays stack"
    ) as caught:
        read_source(tmp_path / "d.parquet")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_very_many_columns_are_one_sentence(tmp_path, suffix):
    names = [f"c{i}" for i in range(20_000)]
    path = tmp_path / f"wide.{suffix}"
    if suffix == "csv":
        path.write_text(",".join(names) + "\n" + ",".join("x" * 20_000) + "\n")
    else:
        pq.write_table(pa.table({name: ["x"] for name in names}), path)
    for read in (preview_source, read_source):
        with pytest.raises(DataError, match="has 20,000 columns, and at most 5,000"):
            read(path)


def test_many_columns_make_no_long_sentence(tmp_path):
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{i}" for i in range(4_000)) + "\n" + "x," * 3_999 + "x\n")
    with pytest.raises(DataError, match="3,990 more") as caught:
        read_source(path)
    assert len(str(caught.value)) < 500
    with pytest.raises(DataError, match="3,990 more"):
        read_source(path, ReadOptions(label_column="nothing"))


def test_a_very_long_column_name_is_refused(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("text,label," + "n" * 5_000 + "\nx,a,1\ny,b,2\n")
    with pytest.raises(DataError, match="is 5,000 letters long") as caught:
        read_source(path)
    assert len(str(caught.value)) < 200


def test_very_many_rare_classes_are_one_finding():
    classes = [f"class {i}" for i in range(9_000)]
    rows = {"text": [f"row {i}" for i in range(9_000)], "label": list(range(9_000))}
    found = check_dataset(build_dataset({"train": rows}, classes))
    rare = [finding for finding in found if "fewer than 5 rows" in finding.what]
    assert len(rare) == 1
    assert len(rare[0].rows) == 9_000
    assert len(found) < 10


def black(side):
    """A PNG of so many black pixels, a thousand of them to each byte."""
    return huge_png(side, side, 1, 0, (b"\0" * (1 + -(-side // 8))) * side)


def test_pictures_that_unfold_together_are_refused_before_they_do(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(8):
            (tmp_path / "pets" / name / f"{i}.png").write_bytes(black(6_900 + i + len(name)))
    with pytest.raises(DataError, match="more than 500 million pixels together"):
        read_source(tmp_path / "pets")
    with pytest.raises(DataError, match="more than 500 million pixels together"):
        check_dataset(read_source(tmp_path / "pets", ReadOptions(bad_rows="keep")))
