import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import slow_encode
import torch
from hypothesis import given
from hypothesis import strategies as st
from slow_encode import TEXTS, Counting, split_of
from tiny import png

from influence_core.data.build import build_dataset
from influence_core.errors import CancelledError, DataError, MismatchError, StoreError
from influence_core.models import encode as features
from influence_core.models.encode import encode_split
from influence_core.models.images import ImageEncoder, VggSpec, small_vgg

SLOW = Path(slow_encode.__file__)


@pytest.fixture
def split():
    return split_of()


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(features, "BLOCK", slow_encode.BLOCK)


def encode(split, path, encoder=None, **more):
    return encode_split(encoder or Counting(), split, path, dataset_fingerprint="d", **more)


def expected(texts=TEXTS):
    return np.array([Counting.one(t) for t in texts], np.float16)


def test_every_row_gets_its_features_and_equal_content_is_encoded_once(split, tmp_path):
    encoder = Counting()
    out = encode(split, tmp_path / "train.npy", encoder)
    np.testing.assert_array_equal(out, expected())
    assert sorted(encoder.seen) == sorted(set(TEXTS))
    assert isinstance(out, np.memmap)


@given(st.lists(st.sampled_from([t + s for t in TEXTS for s in ("", "é", "日本")]), min_size=1))
def test_any_mixture_of_repeated_and_long_texts_ends_row_by_row(tmp_path_factory, texts):
    encoder = Counting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "BLOCK", 3)
        out = encode(split_of(texts), tmp_path_factory.mktemp("f") / "train.npy", encoder)
    np.testing.assert_array_equal(out, expected(texts))
    assert [len(t) for t in encoder.seen] == sorted(len(t) for t in set(texts))


def test_a_second_call_encodes_nothing(split, tmp_path):
    encode(split, tmp_path / "train.npy")
    encoder = Counting()
    encode(split, tmp_path / "train.npy", encoder)
    assert encoder.seen == []


@pytest.mark.parametrize("stop_after", [1, 2, 3])
@pytest.mark.usefixtures("small_blocks")
def test_after_a_stop_it_goes_on_and_ends_with_the_same_bytes(split, tmp_path, stop_after):
    encode(split, tmp_path / "whole.npy")
    cancel, first = threading.Event(), Counting()

    def stop(event):
        if event.done >= 2 * stop_after:
            cancel.set()

    with pytest.raises(CancelledError):
        encode(split, tmp_path / "train.npy", first, progress=stop, cancel=cancel)
    second = Counting()
    encode(split, tmp_path / "train.npy", second)
    assert len(first.seen) == 2 * stop_after
    assert sorted(first.seen + second.seen) == sorted(set(TEXTS))
    whole, resumed = tmp_path / "whole.npy", tmp_path / "train.npy"
    assert whole.read_bytes() == resumed.read_bytes()


def start_slowly(path, seconds, blocks):
    """A process that encodes; returns once this many blocks are done."""
    process = subprocess.Popen(
        [sys.executable, str(SLOW), str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(blocks + 1):  # the first line says that nothing is done
        process.stdout.readline()
    return process


@pytest.mark.usefixtures("small_blocks")
def test_after_a_kill_finished_blocks_are_kept_and_the_bytes_are_the_same(split, tmp_path):
    process = start_slowly(tmp_path / "train.npy", seconds=0.5, blocks=2)
    process.kill()
    process.communicate()
    encoder = Counting()
    encode(split, tmp_path / "train.npy", encoder)
    encode(split, tmp_path / "whole.npy")
    assert 0 < len(encoder.seen) <= len(set(TEXTS)) - 2 * slow_encode.BLOCK
    assert (tmp_path / "train.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()


@pytest.mark.parametrize("step", range(15))
@pytest.mark.usefixtures("small_blocks")
def test_no_step_of_writing_is_a_bad_moment_to_die(split, tmp_path, step):
    """Every call that touches the disk is once the last one."""
    left = step

    def dying(call):
        def instead(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                raise SystemExit
            return call(*args, **kwargs)

        return instead

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (
            (np.memmap, "flush"), (os, "fsync"), (os, "posix_fallocate"),
            (Path, "replace"), (Path, "unlink"),
        ):  # fmt: skip
            if hasattr(owner, name):
                patch.setattr(owner, name, dying(getattr(owner, name)))
        with pytest.raises(SystemExit):
            encode(split, tmp_path / "train.npy")
    np.testing.assert_array_equal(encode(split, tmp_path / "train.npy"), expected())


@pytest.mark.usefixtures("small_blocks")
def test_a_second_process_waits_for_the_first_and_encodes_nothing_itself(split, tmp_path):
    process = start_slowly(tmp_path / "train.npy", seconds=0.5, blocks=1)
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(CancelledError):
        encode(split, tmp_path / "train.npy", cancel=stopped)
    encoder = Counting()
    np.testing.assert_array_equal(encode(split, tmp_path / "train.npy", encoder), expected())
    assert encoder.seen == []
    process.communicate()
    assert process.returncode == 0


def test_progress_begins_at_zero_and_tells_the_rate(split, tmp_path):
    events = []
    encode(split, tmp_path / "train.npy", progress=events.append)
    assert [(e.done, e.total) for e in events] == [(0, 7), (7, 7)]
    assert events[-1].metrics["per_second"] > 0


def test_features_of_another_encoder_or_other_data_are_refused(split, tmp_path):
    encode(split, tmp_path / "train.npy")
    other = Counting()
    other.fingerprint = "0" * 64
    with pytest.raises(MismatchError, match="another encoder fingerprint"):
        encode(split, tmp_path / "train.npy", other)
    with pytest.raises(MismatchError, match="another dataset fingerprint"):
        encode_split(Counting(), split, tmp_path / "train.npy", dataset_fingerprint="e")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"items'])
def test_a_damaged_card_starts_again(split, tmp_path, text):
    encode(split, tmp_path / "train.npy")
    card = tmp_path / "train.json"
    card.write_text(text)
    encoder = Counting()
    encode(split, tmp_path / "train.npy", encoder)
    assert sorted(encoder.seen) == sorted(set(TEXTS))
    assert json.loads(card.read_text())["done"] == len(TEXTS)


@pytest.mark.parametrize("keep", [0, 20, -4])
@pytest.mark.parametrize("finished", [True, False])
def test_a_truncated_array_is_made_again_not_padded_with_zeros(split, tmp_path, keep, finished):
    path, card = tmp_path / "train.npy", tmp_path / "train.json"
    encode(split, path)
    path.write_bytes(path.read_bytes()[:keep])
    if not finished:
        card.write_text(json.dumps({**json.loads(card.read_text()), "done": 0, "items": 5}))
    np.testing.assert_array_equal(encode(split, path), expected())


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e5])
def test_features_that_float16_cannot_hold_name_their_row(split, tmp_path, value):
    class Wild(Counting):
        @staticmethod
        def one(text):
            return [value if text == "four" else 1.0, 2.0, 3.0]

    with pytest.raises(DataError, match=r"counting gives row 'row 4' of split 'train'.*float16"):
        encode(split, tmp_path / "train.npy", Wild())


def test_a_picture_that_broke_since_its_import_names_its_row(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    names = [f"{i}.png" for i in range(3)]
    for i, name in enumerate(names):
        (pictures / name).write_bytes(png(i))
    columns = {"image_path": names, "label": [0, 1, 0], "id": names}
    train = build_dataset({"train": columns}, ["a", "b"], image_root=pictures).train
    (pictures / "1.png").write_bytes(png(1)[:30])
    spec = VggSpec(plan=(2, "M"), classes=2, dim=3, size=8)
    encoder = ImageEncoder("t", small_vgg(spec), spec.prepare, 2, torch.device("cpu"), "f")
    with pytest.raises(DataError, match=r"row '1\.png' in split 'train' is not a readable PNG"):
        encode(train, tmp_path / "train.npy", encoder)


def test_a_folder_that_cannot_be_written_is_one_sentence(split, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"Cannot write .*train\.npy: a file stands"):
        encode(split, tmp_path / "file" / "train.npy")
