"""How fast an encoder encodes, from a few of the items that it is to encode.

The unit of work is a picture, or a character of a sentence: longer sentences have more words, up
to where an encoder cuts them off. Called by `workflow.device_rates`.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from influence_core.data.dataset import Split
from influence_core.models.encoders import Encoder

_SAMPLE = 128  # items encoded to learn the speed
_LENGTHS = 1_000  # items looked at to learn how long they are
_FRAME = 10  # characters' worth of work that even an empty sentence costs
_CUT = 1_200  # characters after which a usual encoder has cut a sentence off


def seconds_per_unit(
    encoder: Encoder, split: Split, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Encode a few of the split's items, of similar length together as encoding does."""
    items = _some(split, _SAMPLE)
    if not items or isinstance(items[0], str):
        items.sort(key=len)
    encoder.encode(items[:2])
    start = clock()
    encoder.encode(items)
    return (clock() - start) / max(_work(items), 1)


def units(split: Split) -> float:
    """Work that the split is, about."""
    items = _some(split, _LENGTHS) if split.content_column == "text" else []
    each = _work(items) / len(items) if items else 1
    return each * len(split)


def _some(split: Split, count: int) -> list[Any]:
    rows = np.linspace(0, len(split) - 1, min(count, len(split))).astype(np.int64)
    return list(split.items(rows))


def _work(items: Sequence[Any]) -> float:
    if items and isinstance(items[0], str):
        return float(sum(min(len(text), _CUT) + _FRAME for text in items))
    return float(len(items))
