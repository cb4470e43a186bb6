"""Looking in a child process finds what looking here does, and no bomb reaches this process."""

import zipfile
from dataclasses import fields

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny import huge_png, png, sentences

from influence_core.data.options import ReadOptions
from influence_core.errors import DataError, ResourceError
from influence_core.workflow.projects import looking
from influence_core.workflow.projects.looking import inspect_safely, look_safely, pack_safely
from influence_core.workflow.projects.preview import first_look, inspect_source
from influence_core.workflow.projects.uploads import keep_upload


def same(one, two):
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(two, field.name)
        if isinstance(a, pd.DataFrame):
            assert a.astype(object).equals(b.astype(object)), field.name
        elif field.name == "problems":
            assert len(a) == len(b)
            for x, y in zip(a, b, strict=True):
                same(x, y)
        else:
            assert a == b, field.name


@pytest.fixture
def films(tmp_path):
    texts, labels = sentences(40)
    rows = {"text": [*texts, "twice", "twice"], "label": [*labels, 0, 1], "n": range(42)}
    pd.DataFrame(rows).to_csv(tmp_path / "films.csv", index=False)
    return str(tmp_path / "films.csv")


def test_a_child_sees_the_same_sentences(films, tmp_path):
    same(look_safely(tmp_path, films, ReadOptions()), first_look(films))
    options = ReadOptions(label_column="label", content_column="text")
    heard = []
    found = inspect_safely(tmp_path, films, options, progress=heard.append)
    same(found, inspect_source(films, options))
    assert heard


def test_a_child_sees_the_same_pictures(tmp_path):
    for name, shade in (("cat", 10), ("dog", 200)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(6):
            (tmp_path / "pets" / name / f"{i}.png").write_bytes(png(shade + i, (30, 20)))
    source = str(tmp_path / "pets")
    same(inspect_safely(tmp_path, source, ReadOptions()), inspect_source(source, ReadOptions()))


def test_refusals_are_the_same_sentence(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na,b,c\n")
    for look in (lambda s: look_safely(tmp_path, s, ReadOptions()), first_look):
        with pytest.raises(DataError, match=r"Line 2 of a\.csv has 3 fields instead of 2"):
            look(str(tmp_path / "a.csv"))


def test_what_needs_too_much_memory_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(looking, "UPLOAD_BYTES", 250 << 20)
    rng = np.random.default_rng(0)
    table = pa.table({"text": [rng.bytes(1 << 19).hex()] * 500,
                      "label": ["a", "b"] * 250})  # fmt: skip
    pq.write_table(table, tmp_path / "big.parquet", use_dictionary=False, compression="none")
    upload = keep_upload(tmp_path, "big.parquet", b"x")
    (tmp_path / "big.parquet").replace(upload)
    with pytest.raises(ResourceError, match=r"(?i)memory"):
        inspect_safely(tmp_path, str(upload), ReadOptions())


def test_a_zip_is_packed_in_a_child_and_a_bomb_is_refused(tmp_path):
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    black = huge_png(6_900, 6_900, 1, 0, (b"\0" * 864) * 6_900)
    with zipfile.ZipFile(good, "w") as one, zipfile.ZipFile(bad, "w") as two:
        for i in range(14):
            one.writestr(f"{('cat', 'dog')[i % 2]}/{i}.png", png(i))
            two.writestr(f"{('cat', 'dog')[i % 2]}/{i}.png", black)
    pack_safely(good, tmp_path / "good.parquet")
    assert pq.read_metadata(tmp_path / "good.parquet").num_rows == 14
    with pytest.raises(DataError, match="million pixels together"):
        pack_safely(bad, tmp_path / "bad.parquet")
    assert not list(tmp_path.glob("bad.parquet*"))
