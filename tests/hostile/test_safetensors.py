"""Weights and features bent, headers above all: a model, or one sentence; nothing else changes."""

import io
import json
import shutil
import struct

import numpy as np
import pytest
import torch
from damage import EDITS, JSON, damaged, prints
from hypothesis import given, settings
from hypothesis import strategies as st
from imports import refusal
from opened import trained, used
from PIL import Image
from safetensors.torch import load_file, save, save_file
from toy_rows import CONFIG, TRAINING, clouds

from influence_core.disk.checkpoint import Checkpoint
from influence_core.errors import StoreError
from influence_core.models.images import VggSpec, load_vgg, small_vgg
from influence_core.training.heads.checkpoint import HeadCheckpoint
from influence_core.training.heads.loop import HeadLoop
from influence_core.training.heads.types import SoFar
from influence_core.training.networks.checkpoint import NetworkState, load_state, save_state

SOME = settings(max_examples=settings.default.max_examples // 2)
DTYPES = ["F16", "F32", "F64", "BF16", "I64", "U8", "BOOL", "F8_E4M3", "C64", "X", "", None, 7]
SIZES = st.sampled_from([0, 1, 2, 24, 2**31, 2**63, 2**64, -1, 1.5, None, "1"])
LENGTHS = st.sampled_from([None, 0, 1, 7, 2**20, 100_000_001, 2**32, 2**63, 2**64 - 1])


@st.composite
def bent_headers(draw, whole):
    """The file with one tensor's entry changed, or with another length of the header."""
    length = struct.unpack("<Q", whole[:8])[0]
    header = json.loads(whole[8 : 8 + length])
    body = whole[8 + length :]
    names = sorted(header)
    name = draw(st.sampled_from(names))
    what = draw(st.sampled_from(["dtype", "shape", "offsets", "gone", "twice", "any", "extra"]))
    if what == "gone":
        header.pop(name)
    elif what == "twice":
        header[name + "2"] = header[name]
    elif what == "any":
        header[name] = draw(JSON)
    elif what == "extra":
        header[draw(st.sampled_from(["", "../x", "\x00", "__metadata__"]))] = draw(JSON)
    elif what == "dtype":
        header[name] = header[name] | {"dtype": draw(st.sampled_from(DTYPES))}
    elif what == "shape":
        header[name] = header[name] | {"shape": draw(st.lists(SIZES, max_size=4))}
    else:
        header[name] = header[name] | {"data_offsets": draw(st.lists(SIZES, max_size=3))}
    text = json.dumps(header).encode()
    promised = draw(LENGTHS)
    return struct.pack("<Q", len(text) if promised is None else promised) + text + body


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run whose record does not know its files' hashes, so that bent ones are read at all."""
    project, run_id = trained(tmp_path_factory.mktemp("weights") / "tiny")
    record = project.root / "runs" / run_id / "run.json"
    record.write_text(json.dumps(json.loads(record.read_bytes()) | {"files": {}}))
    return project, run_id


def check(made, file, content):
    """Put the content in place of a file of the project, and read everything."""
    project, run_id = made
    whole = file.read_bytes()
    # A reader may have the old file mapped: it keeps that one.
    file.unlink()
    try:
        file.write_bytes(content)
        before = prints(project.root)
        used(project, run_id)
        assert prints(project.root) == before
    finally:
        file.unlink()
        file.write_bytes(whole)


@pytest.mark.parametrize("how", ["header", "bytes", "values"])
def test_bent_weights_of_a_head(made, how):
    project, run_id = made
    file = project.root / "runs" / run_id / "model.safetensors"
    whole = file.read_bytes()
    tensors = project.run(run_id).tensors()
    values = st.tuples(st.sampled_from(sorted(tensors)), st.sampled_from(
        [float("nan"), float("inf"), -1e30, 0.0])).map(
        lambda pair: save(tensors | {pair[0]: torch.full_like(tensors[pair[0]].float(), pair[1])})
    )  # fmt: skip
    bent = {
        "header": bent_headers(whole),
        "bytes": EDITS.map(lambda edits: damaged(whole, edits)),
        "values": values,
    }

    @SOME
    @given(content=bent[how])
    def run(content):
        check(made, file, content)

    run()


ARRAYS = [np.float16, np.float32, np.int64, np.bool_, np.complex64, "U3", "M8[s]"]
SHAPES = st.sampled_from([(24, 384), (24,), (), (24, 0), (0, 384), (23, 384), (24, 384, 1)])


def array(kind, shape):
    out = io.BytesIO()
    np.save(out, np.zeros(shape, kind), allow_pickle=False)
    return out.getvalue()


@SOME
@given(what=st.sampled_from(["array", "edits", "card"]), kind=st.sampled_from(ARRAYS),
       shape=SHAPES, edits=EDITS, card=JSON, name=st.sampled_from(
    ["rows", "done", "dim", "split", "dataset_fingerprint", ""]))  # fmt: skip
def test_bent_feature_files(made, what, kind, shape, edits, card, name):
    project, _ = made
    file = project.features_path("train")
    if what == "array":
        check(made, file, array(kind, shape))
    elif what == "edits":
        check(made, file, damaged(file.read_bytes(), edits))
    else:
        file = file.with_suffix(".json")
        good = json.loads(file.read_bytes())
        check(made, file, json.dumps(good | {name: card} if name else card).encode())


@pytest.mark.parametrize("start", [
    b"{'descr': '<f2'\x93NUMPY\x01\x00v\x00{'descr': '<f2', ",  # a tokenizer's own error
    b"(" * 60, b"'", b"[" * 60 + b"\x00", b"{'descr': 'O', 'fortran_order': False, 'shape': (1,)}",
    b"{'descr': '<f2', 'fortran_order': False, 'shape': (" + b"9" * 50 + b",)}",
])  # fmt: skip
def test_headers_that_end_the_parser(made, start):
    project, _ = made
    file = project.features_path("train")
    header = start.ljust(118)
    check(made, file, b"\x93NUMPY\x01\x00v\x00" + header + file.read_bytes()[128:])
    whole = file.read_bytes()
    file.write_bytes(b"\x93NUMPY\x01\x00v\x00" + header)
    try:
        with pytest.raises(StoreError, match="delete it and train again"):
            project.features("train")
    finally:
        file.write_bytes(whole)


SPEC = {"plan": [2, "M"], "classes": 2, "dim": 3, "channels": 1, "size": 6, "mean": 0.5, "std": 0.5}


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vgg")
    state = small_vgg(VggSpec(**SPEC)).state_dict()
    save_file(state, folder / "whole.safetensors", metadata={"vgg": json.dumps(SPEC)})
    return folder, state


def encoded(folder, content):
    """Load as an encoder and encode a picture."""
    (folder / "bent.safetensors").write_bytes(content)
    out = io.BytesIO()
    Image.new("RGB", (5, 9)).save(out, "PNG")

    def call():
        encoder = load_vgg("bent.safetensors", folder, torch.device("cpu"))
        assert encoder.encode([out.getvalue()]).shape == (1, 3)

    refusal(call)
    (folder / "bent.safetensors").unlink()


@SOME
@given(data=st.data(), edits=EDITS, header=st.booleans())
def test_bent_encoders(vgg, data, edits, header):
    whole = (vgg[0] / "whole.safetensors").read_bytes()
    encoded(vgg[0], data.draw(bent_headers(whole)) if header else damaged(whole, edits))


@SOME
@given(
    name=st.sampled_from([*SPEC, "more"]),
    value=JSON | st.sampled_from([0, -1, 2, 3, 1e300, 10**12, ["M"] * 9, [2, "M", "X"], [[2]]]),
)
def test_any_plan_of_an_encoder(vgg, name, value):
    encoded(vgg[0], save(vgg[1], metadata={"vgg": json.dumps(SPEC | {name: value})}))


@SOME
@given(data=st.data(), edits=EDITS, header=st.booleans(), about=st.none() | JSON)
def test_damaged_checkpoints_of_a_network_are_ignored(tmp_path_factory, data, edits, header, about):
    folder = tmp_path_factory.mktemp("checkpoint")
    path = folder / "c.safetensors"
    state = {"w": torch.arange(6.0).reshape(2, 3)}
    best = {name: tensor.clone() for name, tensor in state.items()}
    file = Checkpoint(path, "me")
    save_state(file, NetworkState(3, state, best, {"0.step": torch.tensor(1.0)}, {}))
    whole = path.read_bytes()
    if about is not None:
        save_file(state, path, metadata={"turnover": json.dumps(about)})
    else:
        path.write_bytes(data.draw(bent_headers(whole)) if header else damaged(whole, edits))
    before = prints(folder)
    found = load_state(file)
    assert found is None or torch.equal(found.model["w"], state["w"])
    assert prints(folder) == before
    shutil.rmtree(folder)


@SOME
@given(data=st.data(), edits=EDITS, header=st.booleans(), about=st.none() | JSON)
def test_damaged_checkpoints_of_a_head_are_ignored(tmp_path_factory, data, edits, header, about):
    folder = tmp_path_factory.mktemp("checkpoint")
    rows = clouds(12)[0]
    loop = HeadLoop(rows, CONFIG, TRAINING)
    loop.epoch(None)
    checkpoint = HeadCheckpoint(Checkpoint(folder / "c.safetensors", "me"))
    params = tuple(param.clone() for param in loop.params)
    checkpoint.save(loop.state(), SoFar(shown=[{}]))
    path = checkpoint.file.path
    whole = path.read_bytes()
    if about is not None:
        save_file(load_file(path), path, metadata={"turnover": json.dumps(about)})
    else:
        path.write_bytes(data.draw(bent_headers(whole)) if header else damaged(whole, edits))
    before = prints(folder)
    found = checkpoint.load()
    assert found is None or all(map(torch.equal, found[0].params, params))
    assert prints(folder) == before
    shutil.rmtree(folder)
