"""Flipped-residual cosine: the ridge's cheap relative, without a factorisation.

score(t, i) = cos²(h_t, h_i) · ⟨r̃_i, r_t⟩ with standardised encoder features h, r̃ the flipped side's
residual of the training row (out-of-sample) and r the full network's residual of the target. The
square keeps look-alikes and forgets what is merely not orthogonal.
"""

from dataclasses import dataclass

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
    flipped_residuals,
    residuals,
)
from influence_core.influence.estimators.similarity import unit_rows


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    residual: Tensor  # (N, C)

    def query(self, targets: Targets) -> Query:
        surprise = residuals(targets.proba, targets.labels)
        return _Query(self.evidence, self.residual, normalize(targets.features), surprise)


@dataclass(frozen=True)
class _Query:
    evidence: Evidence
    residual: Tensor  # (N, C)
    directions: Tensor  # (T, d) unit length
    surprise: Tensor  # (T, C)

    def scores(self, rows: slice) -> Scores:
        cosine = self.directions @ unit_rows(self.evidence, rows).T  # (T, n)
        return Scores(cosine.square() * (self.surprise @ self.residual[rows].T))


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """The residuals of all rows."""
    return _Prepared(evidence, flipped_residuals(evidence))


FLIPPED_COSINE = Estimator(
    name="flipped-cosine",
    title="Flipped-residual cosine",
    explanation=(
        "Squared cosine of two rows' encoder features, times how far both labels surprise the\n"
        "model. The row's surprise comes from the side that never saw it; nothing is inverted."
    ),
    source="Turnover; the form of a representer value: Yeh et al. 2018",
    prepare=prepare,
)
