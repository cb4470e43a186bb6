import json
import threading

import numpy as np
import pytest

from influence_core.data.build import build_dataset
from influence_core.errors import CancelledError, MismatchError
from influence_core.models import features
from influence_core.models.features import encode_split

TEXTS = ["one", "two", "one", "three", "four", "two", "five", "six six", "seven"]


class Counting:
    """A trunk that is quick to check by hand: length, vowels and first letter of the sentence."""

    name, modality, dim, fingerprint = "counting", "text", 3, "f" * 64

    def __init__(self):
        self.seen = []

    def encode(self, items):
        self.seen += items
        return np.array([self.one(t) for t in items], np.float32)

    @staticmethod
    def one(text):
        return [len(text), sum(c in "aeiou" for c in text), ord(text[0])]


@pytest.fixture
def split():
    labels = [i % 2 for i in range(len(TEXTS))]
    ids = [str(i) for i in range(len(TEXTS))]
    return build_dataset({"train": {"text": TEXTS, "label": labels, "id": ids}}, ["a", "b"]).train


def encode(split, path, trunk=None, **more):
    return encode_split(trunk or Counting(), split, path, dataset_fingerprint="d", **more)


def test_every_row_gets_its_features_and_equal_content_is_encoded_once(split, tmp_path):
    trunk = Counting()
    out = encode(split, tmp_path / "train.npy", trunk)
    np.testing.assert_array_equal(out, np.array([Counting.one(t) for t in TEXTS], np.float16))
    assert sorted(trunk.seen) == sorted(set(TEXTS))
    assert isinstance(out, np.memmap)


def test_a_second_call_encodes_nothing(split, tmp_path):
    encode(split, tmp_path / "train.npy")
    trunk = Counting()
    encode(split, tmp_path / "train.npy", trunk)
    assert trunk.seen == []


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_after_a_stop_it_goes_on_and_ends_with_the_same_bytes(
    split, tmp_path, monkeypatch, stop_after
):
    monkeypatch.setattr(features, "BLOCK", 2)
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


def test_features_of_another_trunk_or_other_data_are_refused(split, tmp_path):
    encode(split, tmp_path / "train.npy")
    other = Counting()
    other.fingerprint = "0" * 64
    with pytest.raises(MismatchError, match="another trunk fingerprint"):
        encode(split, tmp_path / "train.npy", other)
    with pytest.raises(MismatchError, match="another dataset fingerprint"):
        encode_split(Counting(), split, tmp_path / "train.npy", dataset_fingerprint="e")


def test_a_damaged_card_starts_again(split, tmp_path):
    encode(split, tmp_path / "train.npy")
    card = tmp_path / "train.json"
    card.write_text(card.read_text()[:10])
    trunk = Counting()
    encode(split, tmp_path / "train.npy", trunk)
    assert sorted(trunk.seen) == sorted(set(TEXTS))
    assert json.loads(card.read_text())["done"] == len(TEXTS)
