"""Every kind of file of features gives the numbers that NumPy and safetensors wrote."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from influence_core.errors import DataError
from influence_core.models.own import raw
from influence_core.models.own.arrays import of_column, open_features

VALUES = np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)


def written(folder, kind, values=VALUES):
    path = folder / f"own.{kind.split(' ')[0]}"
    if kind == "npy":
        np.save(path, values)
    elif kind == "npy by columns":
        np.save(path, np.asfortranarray(values))
    elif kind == "npz":
        np.savez(path, features=values, other=np.ones(3))
    elif kind == "npz packed":
        np.savez_compressed(path, np.asfortranarray(values))
    elif kind == "safetensors":
        save_file({"features": torch.from_numpy(values), "w": torch.ones(2, 2)}, path)
    else:
        pd.DataFrame({"name": range(len(values)), "x": list(values)}).to_parquet(path)
    return path


KINDS = ["npy", "npy by columns", "npz", "npz packed", "safetensors", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_its_numbers(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(raw, "BLOCK_BYTES", 300)  # several blocks
    found = open_features(str(written(tmp_path, kind)), tmp_path)
    assert (found.rows, found.dim) == VALUES.shape
    for _ in range(2):
        assert np.array_equal(np.concatenate(list(found.blocks())), VALUES)


@given(
    st.integers(1, 40), st.integers(1, 5), st.sampled_from(["f2", "f4", "f8", "i4", "u1", ">f4"]),
    st.booleans(), st.integers(1, 200),
)  # fmt: skip
def test_blocks_of_any_size_and_type_are_the_array(tmp_path_factory, n, d, kind, by_columns, size):
    values = (np.arange(n * d) % 200).reshape(n, d).astype(kind)
    path = tmp_path_factory.mktemp("own") / "a.npy"
    np.save(path, np.asfortranarray(values) if by_columns else values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(raw, "BLOCK_BYTES", size)
        found = open_features(str(path), path.parent)
        assert np.array_equal(np.concatenate(list(found.blocks())), values)


def test_bfloat16_is_read_as_torch_reads_it(tmp_path):
    values = torch.from_numpy(VALUES).bfloat16()
    save_file({"x": values}, tmp_path / "a.safetensors")
    found = open_features(str(tmp_path / "a.safetensors"), tmp_path)
    assert np.array_equal(np.concatenate(list(found.blocks())), values.float().numpy())


@pytest.mark.parametrize("kind", ["npz", "safetensors", "parquet"])
def test_ids_are_read_where_a_file_has_them(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    ids = np.arange(50) + 7
    if kind == "npz":
        np.savez(path, features=VALUES, ids=np.array([f"{i}" for i in ids]))
    elif kind == "safetensors":
        save_file({"features": torch.from_numpy(VALUES), "ids": torch.from_numpy(ids)}, path)
    else:
        pd.DataFrame({"who": ids.astype(str), "features": list(VALUES)}).to_parquet(path)
    assert open_features(str(path), tmp_path, "who").ids == tuple(map(str, ids))


def test_a_file_that_shrinks_while_it_is_read_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "BLOCK_BYTES", 28 * 10)
    path = written(tmp_path, "npy", np.tile(VALUES, (200, 1)))  # more than a buffer
    blocks = open_features(str(path), tmp_path).blocks()
    next(blocks)
    with path.open("r+b") as file:
        file.truncate(100_000)
    with pytest.raises(DataError, match="became so while it was read"):
        list(blocks)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: np.save(p, VALUES[0]), r"shape \(7,\)"),
        (lambda p: np.save(p, VALUES[None]), "rows, numbers a row"),
        (lambda p: np.save(p, np.array([["a", "b"]])), "save numbers"),
        (lambda p: np.save(p, np.array([[{}]]), allow_pickle=True), "Python objects"),
        (lambda p: np.save(p, VALUES[:0]), "rows, numbers a row"),
        (lambda p: p.write_bytes(b"no array"), "no .npy file"),
        (lambda p: p.write_bytes(b""), "no .npy file"),
        (lambda p: (np.save(p, VALUES), p.write_bytes(p.read_bytes()[:-4])), "shorter"),
    ],
)
def test_what_is_no_array_of_features_is_refused_with_a_sentence(tmp_path, make, says):
    path = tmp_path / "a.npy"
    make(path)
    with pytest.raises(DataError, match=says):
        open_features(str(path), tmp_path)


@pytest.mark.parametrize("kind", ["npz", "safetensors", "parquet"])
@pytest.mark.parametrize("keep", [0, 3, 60])
def test_a_damaged_file_of_any_kind_is_refused_with_a_sentence(tmp_path, kind, keep):
    path = written(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"own\."):
        open_features(str(path), tmp_path)


def test_several_arrays_of_no_usual_name_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", left=VALUES, right=VALUES)
    with pytest.raises(DataError, match=r"left.*right.*call the array 'features'"):
        open_features(str(tmp_path / "a.npz"), tmp_path)


def test_other_files_and_missing_ones_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("1 2", "utf-8")
    with pytest.raises(DataError, match=r"none of these"):
        open_features(str(tmp_path / "a.txt"), tmp_path)
    with pytest.raises(DataError, match=r"does not exist"):
        open_features(str(tmp_path / "b.npy"), tmp_path)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_column_of_lists_gives_its_numbers(fixed):
    kind = pa.list_(pa.float32(), 7) if fixed else pa.list_(pa.float32())
    column = pa.chunked_array([pa.array(list(v), kind) for v in (VALUES[:20], VALUES[20:])])
    found = of_column("x", column)
    assert np.array_equal(np.concatenate(list(found.blocks())), VALUES)


@pytest.mark.parametrize(
    ("rows", "says"),
    [([[1.0], [1.0, 2.0]], "Row 2 .* 2 numbers"), ([[1.0], None], "no list"), ([[], []], "first")],
)
def test_lists_that_are_not_as_long_are_refused(rows, says):
    with pytest.raises(DataError, match=says):
        list(of_column("x", pa.chunked_array([pa.array(rows, pa.list_(pa.float64()))])).blocks())
