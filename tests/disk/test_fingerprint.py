"""What is stored in projects, runs and exports is found again by every later version."""

import torch
from tiny import dataset

from influence_core.disk import fingerprint as module
from influence_core.disk.fingerprint import (
    of_code,
    of_file,
    of_files,
    of_json,
    of_parts,
    of_tensors,
)

TENSORS = {
    "b": torch.arange(6).float().reshape(2, 3),
    "a": torch.tensor([1.5, -2.0]).bfloat16(),
    "n": torch.tensor(3),
}


def test_stored_fingerprints_keep_their_values(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b" / "c").write_bytes(bytes(10))
    found = {
        "an encoder": of_tensors("prep 1", TENSORS),
        "a network": of_tensors({"z": 1, "a": [1, "x"]}, TENSORS),
        "a file": of_file(tmp_path / "a"),
        "a folder": of_files(tmp_path, ["a", "b/c"]),
        "a data set": dataset(30).fingerprint,
        "a place of features": of_parts(["trunk:data"]),
    }
    assert found == {
        "an encoder": "04cd1aa5a1a437b103ebb347bfa6cdf3960384939e049aa62a66fb60c02ed358",
        "a network": "0786cbd035d8240c4c9e2d6848f19800f889428ca93ca913e2748d9afd6941c4",
        "a file": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "a folder": "b7eff80192d3b2599193d10a0be89e3d03dad17b1c18b2b34be349fad1d59269",
        "a data set": "a98071c990ec18b9d0edb1f10fb83247ce920a5e119ef7b1c045963b7fa5f15f",
        "a place of features": "23cf428eb2fe2315f3947443697c4cf5bd431f7bde6af27b506a4dd42b24877d",
    }


def test_order_counts_where_it_means_something():
    assert of_tensors("", dict(reversed(TENSORS.items()))) == of_tensors("", TENSORS)
    assert of_tensors("a", TENSORS) != of_tensors("", TENSORS)
    assert of_json({"a": 1, "b": 2}) == of_json({"b": 2, "a": 1})
    assert of_json([1, 2]) != of_json([2, 1])
    assert of_parts(["a", b"b"]) == of_parts(["ab"])


def test_the_code_counts_by_its_source(tmp_path, monkeypatch):
    real = of_code()
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    try:
        of_code.cache_clear()
        (tmp_path / "a.py").write_text("x = 1")
        one = of_code()
        of_code.cache_clear()
        (tmp_path / "a.py").write_text("x = 2")
        assert len({real, one, of_code()}) == 3
    finally:
        monkeypatch.undo()
        of_code.cache_clear()
    assert of_code() == real
