"""Edits from keys, for tests of exports; the program makes its own from scores and decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from influence_core.store.exports.edits import Edit


@dataclass(frozen=True)
class Why:
    """What the edits of one decision have in common; score and standard error by key."""

    reason: str
    who: str = ""
    when: str = "2026-01-31T00:00:00+00:00"
    scores: Mapping[int, tuple[float, float | None]] = field(default_factory=dict)


def make_edits(dataset, changes, why, split="train"):
    """One edit per key of a split's row, in row order; a change to None removes the row."""
    rows = dataset.split(split)
    keys = np.array(list(changes), dtype=np.uint64)
    edits = []
    for key, position in zip(changes, rows.positions_of(keys).tolist(), strict=True):
        old = int(rows.labels[position])
        score, stderr = why.scores.get(key, (None, None))
        edits.append(
            Edit(
                row=int(rows.rows[position]),
                key=key,
                id=rows.ids[position],
                action="remove" if changes[key] is None else "relabel",
                old_label=None if old < 0 else dataset.classes[old],
                new_label=changes[key],
                reason=why.reason,
                score=score,
                stderr=stderr,
                who=why.who,
                when=why.when,
            )
        )
    return sorted(edits, key=lambda edit: edit.row)
