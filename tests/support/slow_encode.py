"""Encode hand-checkable sentences slowly in a process of its own, so that a test can kill it.

    python slow_encode.py FILE SECONDS_A_BLOCK

Prints one line a finished block.
"""

import sys
import time
from pathlib import Path

import numpy as np

from influence_core.data.build import build_dataset
from influence_core.models import encode as features

BLOCK = 2
TEXTS = ["one", "two", "one", "three", "four", "two", "five", "six six", "seven"]


class Counting:
    """An encoder quick to check by hand: length, vowels and first letter of the sentence."""

    name, modality, dim, fingerprint = "counting", "text", 3, "f" * 64

    def __init__(self, seconds=0.0):
        self.seen = []
        self.seconds = seconds

    def encode(self, items):
        time.sleep(self.seconds)
        self.seen += items
        return np.array([self.one(t) for t in items], np.float32)

    @staticmethod
    def one(text):
        return [len(text), sum(c in "aeiou" for c in text), ord(text[0])]


def split_of(texts=TEXTS):
    """A training split of these sentences."""
    columns = {"text": texts, "label": [i % 2 for i in range(len(texts))]}
    columns["id"] = [f"row {i}" for i in range(len(texts))]
    return build_dataset({"train": columns}, ["a", "b"]).train


if __name__ == "__main__":
    features.BLOCK = BLOCK
    features.encode_split(
        Counting(float(sys.argv[2])),
        split_of(),
        Path(sys.argv[1]),
        dataset_fingerprint="d",
        progress=lambda event: print(event.done, flush=True),
    )
