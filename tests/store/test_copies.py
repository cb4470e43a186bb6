"""Sets of copies that are kept: of these data, whole, or refused."""

import json

import pytest
from damage import EDITS, JSON, damaged
from hypothesis import given
from hypothesis import strategies as st

from influence_core.data.checks.near import CopySet
from influence_core.errors import StoreError
from influence_core.store.copies import FILE, keep_copies, read_copies

SETS = [
    CopySet("exact", (("train", 0), ("train", 4))),
    CopySet("near", (("train", 2), ("test", 1))),
]
SIZES = {"train": 5, "test": 2}


@pytest.fixture
def root(tmp_path):
    keep_copies(tmp_path, "of these", SETS)
    return tmp_path


def test_they_come_back_for_the_same_data_alone(root):
    assert read_copies(root, "of these", SIZES) == SETS
    assert read_copies(root, "of others", SIZES) is None
    assert read_copies(root / "elsewhere", "of these", SIZES) is None


@pytest.mark.parametrize(
    "rows",
    [[["train", 5], ["train", 1]], [["train", -1], ["train", 1]], [["valid", 0], ["train", 1]],
     [["train", 1], ["train", 1]], [["train", 1]], []],
)  # fmt: skip
def test_rows_that_the_data_do_not_have_are_refused(root, rows):
    value = json.loads((root / FILE).read_text())
    value["sets"].append({"kind": "near", "rows": rows})
    (root / FILE).write_text(json.dumps(value))
    with pytest.raises(StoreError, match="delete it, it is made again"):
        read_copies(root, "of these", SIZES)


def answered(root, content):
    """What a bent file is: sets of rows that there are, or a sentence."""
    whole = (root / FILE).read_bytes()
    try:
        (root / FILE).write_bytes(content)
        for one in read_copies(root, "of these", SIZES) or ():
            assert len(one.rows) > 1
            assert all(0 <= at < SIZES[name] for name, at in one.rows)
    except StoreError as error:
        assert str(error)
    finally:
        (root / FILE).write_bytes(whole)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    root = tmp_path_factory.mktemp("kept")
    keep_copies(root, "of these", SETS)
    return root


@given(edits=EDITS)
def test_bent_files_are_sets_or_a_sentence(kept, edits):
    answered(kept, damaged((kept / FILE).read_bytes(), edits))


@given(part=st.sampled_from(["sets", "fingerprint", "version"]), value=JSON)
def test_any_value_is_sets_or_a_sentence(kept, part, value):
    whole = json.loads((kept / FILE).read_text())
    answered(kept, json.dumps(whole | {part: value}).encode())
