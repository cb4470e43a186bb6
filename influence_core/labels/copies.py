"""Which row of a set of copies stays: pure, no disk."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Stay:
    """The answer.

    Attributes:
        index: of the row among those that were asked about.
        tied: whether no label had a majority.
    """

    index: int
    tied: bool


def who_stays(labels: Sequence[int], likely: Mapping[int, float]) -> Stay:
    """The first row whose label agrees with the majority.

    Where several labels are as frequent, the one that the model finds likeliest counts as the
    majority, or where that is not known, the one that comes first. Rows without a label have no
    voice and stay only if none has one.

    Args:
        labels: (n,) class numbers, -1 for none; at least one row.
        likely: how likely the model finds a label for such content.
    """
    voices = Counter(label for label in labels if label >= 0)
    if not voices:
        return Stay(0, False)
    most = max(voices.values())
    first = [label for label in voices if voices[label] == most]
    wanted = max(first, key=lambda label: likely.get(label, 0.0))
    return Stay(labels.index(wanted), len(first) > 1)
