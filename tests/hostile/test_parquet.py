"""Parquet files of every type that Arrow has: a project, or one sentence and nothing written."""

import json
import shutil
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from damage import EDITS, damaged
from hypothesis import given
from hypothesis import strategies as st
from imports import imported
from tiny import png, project

ROWS = 12
TEXTS = pa.array([f"sentence {i}" for i in range(ROWS)])
LABELS = pa.array(["a", "b"] * (ROWS // 2))
NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e300, -1e300, 2.0**63, float("inf"), float("nan")])

# A strategy of one value, by type; a column is made of them and of nulls.
TYPES = [
    (pa.float64(), NUMBERS),
    (pa.float16(), st.sampled_from([0.0, 1.0, float("inf")])),
    (pa.int64(), st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63)])),
    (pa.uint64(), st.sampled_from([0, 1, 2**64 - 1])),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.sampled_from(["", " ", "a", "b", "\x00", "../x", "\u202e", "x" * 999])),
    (pa.large_string(), st.sampled_from(["a", "b", "a.png", "../../a.png", "/etc/passwd.png"])),
    (pa.string_view(), st.sampled_from(["a", "b", ""])),
    (pa.binary_view(), st.sampled_from([b"a", png(6)])),
    (pa.list_(pa.string_view()), st.sampled_from([["a"], []])),
    (pa.binary(), st.sampled_from([b"", b"\xff\xfe", b"a", png(7), png(8)[:40]])),
    (pa.large_binary(), st.sampled_from([b"", png(9)])),
    (pa.binary(2), st.sampled_from([b"ab", b"\xff\x00"])),
    (pa.dictionary(pa.int8(), pa.string()), st.sampled_from(["a", "b", ""])),
    (pa.dictionary(pa.int8(), pa.int64()), st.sampled_from([0, 1])),
    (pa.decimal128(38, 2), st.sampled_from([Decimal("0.00"), Decimal("1.00"), Decimal("9.99")])),
    (pa.date32(), st.sampled_from([date(1, 1, 1), date(9999, 12, 31), date(2020, 2, 29)])),
    (pa.timestamp("us", "UTC"), st.sampled_from([0, -(2**62), 2**62])),
    (pa.timestamp("ns"), st.sampled_from([0, 2**62])),
    (pa.duration("us"), st.sampled_from([timedelta(0), timedelta(days=9)])),
    (pa.time64("us"), st.sampled_from([0, 1])),
    (pa.null(), st.none()),
    (pa.list_(pa.string()), st.sampled_from([[], ["a"], [None]])),
    (pa.list_(pa.list_(pa.float64())), st.sampled_from([[], [[]], [[float("nan")]]])),
    (pa.map_(pa.string(), pa.int64()), st.sampled_from([[], [("a", 1)]])),
    (pa.struct({"bytes": pa.binary(), "path": pa.string()}),
     st.sampled_from([{"bytes": png(5), "path": "../x"}, {"bytes": None, "path": "/etc/passwd"}])),
    (pa.struct({"bytes": pa.int64()}), st.sampled_from([{"bytes": 1}])),
    (pa.struct({"a": pa.struct({"b": pa.int64()})}), st.sampled_from([{"a": {"b": 1}}])),
]  # fmt: skip


@st.composite
def columns(draw):
    """A column of one type, perhaps with nulls."""
    kind, values = draw(st.sampled_from(TYPES))
    few = draw(st.lists(values | st.none() if draw(st.booleans()) else values, min_size=1,
                        max_size=4))  # fmt: skip
    return pa.array([few[i % len(few)] for i in range(ROWS)], kind)


NAMES = [
    "text",
    "label",
    "id",
    "split",
    "image",
    "key",
    "row",
    "content_hash",
    "extra",
    "",
    "a\x00",
]


@pytest.fixture
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parquet")
    (folder / "in").mkdir()
    project(folder / "home" / "other", n=6)
    return folder


def tried(place, table, **options):
    """Write and import; the next example finds the folder as this one did."""
    file = place / "in" / "data.parquet"
    if isinstance(table, bytes):
        file.write_bytes(table)
    else:
        pq.write_table(table, file)
    try:
        return imported(file, place / "home", **options)
    finally:
        shutil.rmtree(place / "home" / "made", ignore_errors=True)


@pytest.mark.parametrize("role", ["text", "label", "id", "split", "extra"])
def test_a_column_of_any_type_in_any_role(place, role):
    @given(column=columns(), drop_bad=st.booleans())
    def check(column, drop_bad):
        table = {"text": TEXTS, "label": LABELS} | {role: column}
        tried(place, pa.table(table), drop_bad=drop_bad)

    check()


def test_columns_of_any_names_even_twice(place):
    @given(
        named=st.lists(st.tuples(st.sampled_from(NAMES), columns()), min_size=1, max_size=5),
        sound=st.booleans(),
    )
    def check(named, sound):
        both = [("text", TEXTS), ("label", LABELS)] if sound else []
        pairs = [*both, *named]
        table = pa.Table.from_arrays([c for _, c in pairs], names=[n for n, _ in pairs])
        tried(place, table, label="label", content="text")

    check()


DECLARED = st.sampled_from(
    [["x", "y"], ["x", "x"], [], ["x"], [None, 1], 5, None, "xy", {"a": 1}, [["x"], []], [""]]
)


def test_declared_class_names_of_any_shape(place):
    @given(names=DECLARED, labels=st.lists(st.integers(-2, 3), min_size=2, max_size=4))
    def check(names, labels):
        note = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
        numbers = pa.array([labels[i % len(labels)] for i in range(ROWS)], pa.int64())
        table = pa.table({"text": TEXTS, "label": numbers})
        tried(place, table.replace_schema_metadata({"huggingface": json.dumps(note)}))

    check()


def test_edits_of_a_good_file(place):
    pq.write_table(pa.table({"text": TEXTS, "label": LABELS}), place / "good")
    whole = (place / "good").read_bytes()

    @given(edits=EDITS)
    def check(edits):
        tried(place, damaged(whole, edits))

    check()
