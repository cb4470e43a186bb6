"""The evidence for either label of a training row: the rows most like it that carry each.

The labels are the given one and the one that competes with it. Similarity needs no estimator to be
believed. Called by `desk` and by the mark on the Errors page.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
import torch

from influence_core.workflow.review.nearest import Labelled, Nearest, nearest_rows
from influence_core.workflow.session import Session

_LIKELY = 9  # classes that are offered, one a digit key
_KEPT = 512  # rows whose evidence stays in memory


@dataclass(frozen=True)
class LabelEvidence:
    """What lies around one training row.

    `likely` are the most probable other classes than the given one with their probabilities by the
    flipped side, at most nine. `near` holds the labels of the nearest rows, and the nearest rows of
    the given label (unless there is none) and of the other.
    """

    position: int
    likely: tuple[tuple[int, float], ...]
    near: Nearest

    @property
    def alternative(self) -> int:
        """The class that competes with the given one."""
        return self.likely[0][0]

    @property
    def given(self) -> Labelled | None:
        """The nearest rows of the given label; None for a row without one."""
        return self.near.labelled[0] if len(self.near.labelled) > 1 else None

    @property
    def other(self) -> Labelled:
        """The nearest rows of the label that competes."""
        return self.near.labelled[-1]


@dataclass(eq=False)
class EvidenceCache:
    """Evidence of the rows that were asked about lately, for all threads."""

    _kept: OrderedDict[tuple[int, int], LabelEvidence] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(
        self, session: Session, scores: pd.DataFrame, positions: Sequence[int], k: int
    ) -> list[LabelEvidence]:
        """Evidence of these rows; what is missing is computed together."""
        with self._lock:
            missing = [int(p) for p in positions if (int(p), k) not in self._kept]
            if missing:
                for found in label_evidence(session, scores, missing, k):
                    self._kept[found.position, k] = found
            out = [self._kept[int(p), k] for p in positions]
            for p in positions:
                self._kept.move_to_end((int(p), k))
            while len(self._kept) > max(_KEPT, len(out)):
                self._kept.popitem(last=False)
            return out


def likely_labels(
    session: Session, scores: pd.DataFrame, positions: Sequence[int]
) -> list[tuple[tuple[int, float], ...]]:
    """Per row the most probable classes but the given one, and their flipped-side probabilities."""
    flipped = session.evidence.flipped[torch.as_tensor(list(positions))].float().cpu().clone()
    given = torch.from_numpy(scores["given"].to_numpy()[list(positions)].copy())
    known = given >= 0
    flipped[known, given[known]] = -1.0
    best = flipped.topk(min(_LIKELY, flipped.shape[1]), dim=1)
    return [
        tuple((label, p) for label, p in zip(labels, chances, strict=True) if p >= 0)
        for labels, chances in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]


def label_evidence(
    session: Session, scores: pd.DataFrame, positions: Sequence[int], k: int
) -> list[LabelEvidence]:
    """What lies around each row, with the k nearest other rows of either label."""
    likely = likely_labels(session, scores, positions)
    given = scores["given"].to_numpy()[list(positions)].tolist()
    asked = [
        [*([own] if own >= 0 else []), classes[0][0]]
        for own, classes in zip(given, likely, strict=True)
    ]
    x = session.features.rows(torch.as_tensor(list(positions)))
    found = nearest_rows(session, x, positions, asked, k)
    return [
        LabelEvidence(int(position), classes, near)
        for position, classes, near in zip(positions, likely, found, strict=True)
    ]
