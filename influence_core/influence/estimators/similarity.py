"""Signed similarity: which training rows look like the target, and agree with it or not.

score(t, i) = cos(h_t, h_i) if both labels are the same, −cos(h_t, h_i) if not, on standardised
encoder features. It reads no model, so it is the baseline that an influence estimator has to beat,
and the list to look at where nothing clears the noise.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from influence_core.influence.base import (
    NO_SETTINGS,
    Estimator,
    Evidence,
    Query,
    Scores,
    Settings,
    Targets,
)


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence

    def query(self, targets: Targets) -> Query:
        return _Query(self.evidence, normalize(targets.features), targets.labels)


@dataclass(frozen=True)
class _Query:
    evidence: Evidence
    directions: Tensor  # (T, d) unit length
    labels: Tensor  # (T,)

    def scores(self, rows: slice) -> Scores:
        cosine = self.directions @ unit_rows(self.evidence, rows).T  # (T, n)
        agree = self.labels[:, None] == self.evidence.labels[rows][None]
        return Scores(torch.where(agree, cosine, -cosine))


def unit_rows(evidence: Evidence, rows: slice) -> Tensor:
    """Standardised features of a chunk of rows, scaled to unit length, (n, d)."""
    return normalize(evidence.features.rows(torch.arange(rows.start, rows.stop)))


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Nothing to precompute."""
    return _Prepared(evidence)


SIMILARITY = Estimator(
    name="similarity",
    title="Signed similarity",
    explanation=(
        "How alike two rows are to the encoder (cosine), positive where the labels agree and\n"
        "negative where they differ. It knows nothing of what the model has learned."
    ),
    source="Baseline; compare Pezeshkpour et al. 2021 and Hanawa et al. 2021",
    prepare=prepare,
)
