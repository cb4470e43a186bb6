"""A finding, and the words that checks share."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from influence_core.data.dataset import Split

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
Rows = npt.NDArray[np.int64]
NO_ROWS: Rows = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Finding:
    """Something to know about a data set.

    Attributes:
        rule: a name that stays, such as "leakage", for `turnover check --fail-on`.
        severity: "error", "warning" or "note".
        what: one sentence.
        split: where the rows are.
        rows: positions in that split, int64, ascending; may be empty.
        advice: what to do about it.
    """

    rule: str
    severity: Severity
    what: str
    split: str
    rows: Rows
    advice: str


Found = Iterator[Finding]


def number_of(rows: int, noun: str = "row") -> str:
    """ "1 row", "3 rows"."""
    return f"1 {noun}" if rows == 1 else f"{rows:,} {noun}s"


def rows_have(rows: Rows, what: str, split: Split) -> str:
    """ "3 rows of train have no label."."""
    verb = "has" if rows.size == 1 else "have"
    return f"{number_of(rows.size)} of {split.name} {verb} {what}."
