"""The evidence for either label of a training row: the rows that most support each.

Each row is asked about twice, toward its given label and toward the one that competes with it;
what helped either answer is its support. Called by `desk` and by the mark on the Errors page.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch

from influence_core.influence.scan import Top, scan
from influence_core.workflow.session import Session

_LIKELY = 9  # classes that are offered, one a digit key
_KEPT = 512  # rows whose evidence stays in memory


@dataclass(frozen=True)
class LabelEvidence:
    """Training rows that most support either label of one row, strongest first.

    `likely` are the most probable other classes than the given one with their probabilities by the
    flipped side, at most nine.
    """

    position: int
    likely: tuple[tuple[int, float], ...]
    given: Top
    other: Top

    @property
    def alternative(self) -> int:
        """The class that competes with the given one."""
        return self.likely[0][0]


@dataclass(eq=False)
class EvidenceCache:
    """Evidence of the rows that were asked about lately, for all threads."""

    _kept: OrderedDict[int, LabelEvidence] = field(default_factory=OrderedDict)
    _basis: Any = None  # what the kept evidence was computed by
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(
        self, session: Session, scores: pd.DataFrame, positions: Sequence[int], k: int
    ) -> list[LabelEvidence]:
        """Evidence of these rows; what is missing is computed together.

        Evidence by another estimator, or by settings of before an evaluation, is forgotten.
        """
        name = session.estimator(many=True, quick=True)
        basis = name, session.settings_of(name), k
        with self._lock:
            if basis != self._basis:
                self._kept.clear()
                self._basis = basis
            missing = [int(p) for p in positions if int(p) not in self._kept]
            if missing:
                for found in label_evidence(session, scores, missing, k, name):
                    self._kept[found.position] = found
            out = [self._kept[int(p)] for p in positions]
            for p in positions:
                self._kept.move_to_end(int(p))
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
    session: Session, scores: pd.DataFrame, positions: Sequence[int], k: int, estimator: str
) -> list[LabelEvidence]:
    """Two targets a row, toward either label; the k most helpful other rows of each."""
    likely = likely_labels(session, scores, positions)
    others = np.array([classes[0][0] for classes in likely], dtype=np.int64)
    given = scores["given"].to_numpy()[list(positions)].astype(np.int64)
    labels = np.where(given >= 0, given, others)
    x = session.features.rows(torch.as_tensor(list(positions)))
    both = torch.from_numpy(np.concatenate([labels, others]))  # (2 n,)
    query = session.prepared(estimator).query(session.targets(torch.cat([x, x]), both))
    ranking = scan(query, len(session.evidence), k=k + 1)
    n = len(positions)
    return [
        LabelEvidence(
            int(position),
            likely[i],
            _without(ranking.helpful[i], position, k),
            _without(ranking.helpful[n + i], position, k),
        )
        for i, position in enumerate(positions)
    ]


def _without(top: Top, position: int, k: int) -> Top:
    """A row is no evidence for its own label."""
    keep = np.flatnonzero(top.positions != position)[:k]
    return Top(top.positions[keep], top.scores[keep], top.stderr[keep])
