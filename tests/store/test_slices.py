"""Saved slices: kept whole, found by name, one of a name, and back after they were deleted."""

import json
from dataclasses import replace

import pytest

from influence_core.errors import StoreError
from influence_core.store.slices import (
    FOLDER,
    SavedSlice,
    delete_slice,
    save_slice,
    saved_slice,
    saved_slices,
)

MADE = SavedSlice("dark coats", "test", "wrong · true Coat", (2**63 + 1, 7))


def test_a_slice_comes_back_as_it_was_saved(tmp_path):
    kept = save_slice(tmp_path, MADE)
    assert kept.keys == (7, 2**63 + 1)
    assert kept.created
    assert saved_slice(tmp_path, "dark coats") == kept
    assert replace(kept, created="", keys=MADE.keys) == MADE


@pytest.mark.parametrize("name", ["../x", "a/b", "Ünïcode 猫", ".", "x" * 300, "\u202eevil"])
def test_a_name_is_never_a_place(tmp_path, name):
    kept = save_slice(tmp_path, replace(MADE, name=name))
    files = [path for path in tmp_path.rglob("*.json") if path.is_file()]
    assert [path.parent for path in files] == [tmp_path / FOLDER]
    assert saved_slice(tmp_path, kept.name) == kept


def test_those_of_a_split_are_listed_by_name(tmp_path):
    for name, split in (("b", "test"), ("A", "test"), ("c", "train")):
        save_slice(tmp_path, replace(MADE, name=name, split=split))
    assert [one.name for one in saved_slices(tmp_path)] == ["A", "b", "c"]
    assert [one.name for one in saved_slices(tmp_path, "train")] == ["c"]
    assert saved_slices(tmp_path / "elsewhere") == []


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (replace(MADE, name="  "), "needs a name"),
        (replace(MADE, keys=()), "holds no row"),
        (replace(MADE, name=" dark   coats "), "There is a slice 'dark coats' already"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_loses_nothing(tmp_path, made, said):
    kept = save_slice(tmp_path, MADE)
    with pytest.raises(StoreError, match=said):
        save_slice(tmp_path, made)
    assert saved_slices(tmp_path) == [kept]


def test_a_deleted_slice_can_be_saved_again(tmp_path):
    kept = save_slice(tmp_path, MADE)
    gone = delete_slice(tmp_path, "dark coats")
    assert (gone, saved_slices(tmp_path)) == (kept, [])
    with pytest.raises(StoreError, match="no saved slice 'dark coats'; saved are none"):
        delete_slice(tmp_path, "dark coats")
    assert save_slice(tmp_path, gone) == kept


@pytest.mark.parametrize(
    ("change", "said"),
    [({"keys": ["xyz"]}, "keys.0"), ({"name": 5}, "name"), ({"version": 9}, "update the program")],
)
def test_a_damaged_file_is_named(tmp_path, change, said):
    save_slice(tmp_path, MADE)
    [path] = (tmp_path / FOLDER).glob("*.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(StoreError, match=said) as caught:
        saved_slices(tmp_path)
    assert str(path) in str(caught.value)
