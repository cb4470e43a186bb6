"""How much there is to encode: characters of texts, about, or pictures. Loads no torch."""

from typing import Any

import numpy as np

from influence_core.data.dataset import Split

_LENGTHS = 1_000  # texts looked at to learn how long they are
_FRAME, _CUT = 10, 1_200  # characters that even an empty text costs; after which it is cut off


def encode_work(split: Split) -> float:
    """Characters of the split's texts, about, or its pictures."""
    some = spread(split, _LENGTHS) if split.content_column == "text" else []
    return len(split) * (units(some) / len(some) if some else 1)


def spread(split: Split, most: int) -> list[Any]:
    """At most so many of its texts or pictures, from all over it."""
    rows = np.linspace(0, len(split) - 1, min(most, len(split))).astype(np.int64)
    return list(split.items(rows))


def units(some: list[Any]) -> float:
    """The work of these texts or pictures."""
    return sum(min(len(x), _CUT) + _FRAME if isinstance(x, str) else 1 for x in some)
