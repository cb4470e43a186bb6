"""Versions of stored formats: earlier ones are brought up, newer ones refused in one sentence."""

import pytest

from influence_core.disk.formats import UPGRADES, current, stamped, upgraded
from influence_core.errors import StoreError


@pytest.mark.parametrize("kind", UPGRADES)
def test_what_is_written_now_is_read_as_it_is(kind):
    assert upgraded(kind, stamped(kind, {"trunk": 1, "x": [2]}), "here") == {"trunk": 1, "x": [2]}


@pytest.mark.parametrize("kind", UPGRADES)
@pytest.mark.parametrize("version", [0, -1, 99, "1", None, True, 1.0])
def test_other_versions_are_refused(kind, version):
    with pytest.raises(StoreError, match=f"here has version .* 1 to {current(kind)}; update the "):
        upgraded(kind, {"version": version}, "here")


@pytest.mark.parametrize("kind", UPGRADES)
def test_upgrades_pass_over_what_they_do_not_know(kind):
    odd = {"config": 3, "isolation": [], "checks": "x", "lamps": {"a": 1}, "judge": 5}
    for version in range(1, current(kind) + 1):
        assert upgraded(kind, {**odd, "version": version}, "here")


@pytest.mark.parametrize(
    ("kind", "file", "now"),
    [
        ("csv", {"path": "a.csv"}, "csv"),
        ("hub", {"path": "owner/name"}, "hub"),
        ("hf", {"path": "saved", "parts": []}, "hf"),
        ("hf", {"path": "shards", "parts": ["train-0.parquet"]}, "parquet"),
    ],
)
def test_the_kind_of_a_data_set_becomes_that_of_each_file(kind, file, now):
    old = {"source": {"kind": kind, "files": {"train": file, "test": file}}, "splits": {}}
    files = upgraded("dataset", old, "here")["source"]["files"]
    assert files == {split: {**file, "kind": now} for split in ("train", "test")}
