"""Flipped-residual ridge: the default estimator.

score(t, i) = (h_tᵀ (Σ + λ·σ̄ I)⁻¹ h_i) · ⟨r̃_i, r_t⟩ with standardised trunk features h,
Σ = HᵀH/N, σ̄ its mean eigenvalue, r̃ the *flipped-side* residual (one-hot − probabilities) of the
training row and r the full network's residual of the target. It is the influence function of a
ridge regression on the trunk, fed with residuals that are out-of-sample because turn-over training
gives them for free. One d × d factorisation a run, one (N, d) matrix–vector product a target.

Source: ours (see the project's notes on measurement); the influence function of a linear model is
Cook & Weisberg 1982 and Koh & Liang 2017, equation 2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.influence.base import Estimator, Evidence, Query, Scores, Targets, residuals

LAMBDA = 2.0
_CHUNK = 8192


def covariance(evidence: Evidence) -> Tensor:
    """Σ = HᵀH/N (d, d), in chunks, so that features may stay on disk."""
    total: Tensor | None = None
    for start in range(0, len(evidence), _CHUNK):
        stop = min(start + _CHUNK, len(evidence))
        h = evidence.features.rows(torch.arange(start, stop))
        total = h.T @ h if total is None else total.addmm_(h.T, h)
    if total is None:
        raise ValueError("Evidence without rows")
    return total / len(evidence)


def factorise(sigma: Tensor, strength: float) -> Tensor:
    """Cholesky factor of Σ + strength·σ̄ I; σ̄ is the mean eigenvalue, trace/d."""
    d = len(sigma)
    damping = strength * float(sigma.diagonal().mean()) + 1e-8
    return torch.linalg.cholesky(sigma + damping * torch.eye(d, device=sigma.device))


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    factor: Tensor  # (d, d)
    residual: Tensor  # (N, C)

    def query(self, targets: Targets) -> Query:
        solved = torch.cholesky_solve(targets.features.T, self.factor)  # (d, T)
        return _Query(
            self.evidence, self.residual, solved, residuals(targets.proba, targets.labels)
        )


@dataclass(frozen=True)
class _Query:
    evidence: Evidence
    residual: Tensor
    solved: Tensor  # (d, T)
    target_residual: Tensor  # (T, C)

    def scores(self, rows: slice) -> Scores:
        h = self.evidence.features.rows(torch.arange(rows.start, rows.stop))
        kernel = h @ self.solved  # (n, T)
        agreement = self.residual[rows] @ self.target_residual.T  # (n, T)
        return Scores((kernel * agreement).T)


def prepare(evidence: Evidence, strength: float = LAMBDA) -> _Prepared:
    """Factorise once; `strength` is λ of the formula."""
    return _Prepared(
        evidence,
        factorise(covariance(evidence), strength),
        residuals(evidence.flipped, evidence.labels),
    )


FLIPPED_RIDGE = Estimator(
    name="flipped-ridge",
    title="Flipped-residual ridge",
    explanation=(
        "How alike two rows are to a ridge regression on the trunk's features, times how far\n"
        "both labels surprise the model. The row's surprise comes from the side that never saw it."
    ),
    source="Turnover; influence of a linear model: Koh & Liang 2017, eq. 2",
    has_stderr=False,
    prepare=prepare,
)
