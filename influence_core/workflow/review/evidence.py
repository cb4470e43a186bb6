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
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.influence.scan import Top, scan
from influence_core.workflow.session import Session

_KEPT = 512  # rows whose evidence stays in memory


@dataclass(frozen=True)
class LabelEvidence:
    """Training rows that most support either label of one row, strongest first.

    `alternative` is the suggested class, or the most probable other one where the flipped side
    agrees with the given label.
    """

    position: int
    alternative: int
    given: Top
    other: Top


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
        name = session.estimator(many=True)
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


def alternative_labels(
    session: Session, scores: pd.DataFrame, positions: Sequence[int]
) -> npt.NDArray[np.int64]:
    """The label that competes with the given one: the most probable other class, (n,)."""
    flipped = session.evidence.flipped[torch.as_tensor(list(positions))].clone()
    given = torch.from_numpy(scores["given"].to_numpy()[list(positions)].copy())
    known = given >= 0
    flipped[known, given[known].to(flipped.device)] = -1.0
    return flipped.argmax(1).cpu().numpy().astype(np.int64)


def label_evidence(
    session: Session, scores: pd.DataFrame, positions: Sequence[int], k: int, estimator: str
) -> list[LabelEvidence]:
    """Two targets a row, toward either label; the k most helpful other rows of each."""
    others = alternative_labels(session, scores, positions)
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
            int(others[i]),
            _without(ranking.helpful[i], position, k),
            _without(ranking.helpful[n + i], position, k),
        )
        for i, position in enumerate(positions)
    ]


def _without(top: Top, position: int, k: int) -> Top:
    """A row is no evidence for its own label."""
    keep = np.flatnonzero(top.positions != position)[:k]
    return Top(top.positions[keep], top.scores[keep], top.stderr[keep])
