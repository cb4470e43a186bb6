"""Flipped-residual ridge: the default estimator.

score(t, i) = (h_tᵀ (Σ + λ·σ̄ I)⁻¹ h_i) · ⟨r̃_i, r_t⟩ with standardised trunk features h and a
constant 1 beside them, Σ = HᵀH/N, σ̄ its mean eigenvalue, r̃ the *flipped-side* residual
(one-hot − softened probabilities) of the training row and r the full network's residual of the
target. It is the influence function of a ridge regression on the trunk, fed with residuals that
are out-of-sample because turn-over training gives them for free. One d × d factorisation a run,
one (N, d) matrix–vector product a target.

Source: ours (docs/estimators.md has the measurements); the influence function of a linear model is
Cook & Weisberg 1982 and Koh & Liang 2017, equation 2.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.errors import ModelError
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

LAMBDA = 2.0
_CHUNK = 8192


def with_constant(h: Tensor) -> Tensor:
    """Features with a constant 1 behind them, (n, d + 1): the regression's intercept."""
    return torch.cat([h, h.new_ones(len(h), 1)], dim=1)


def covariance(evidence: Evidence) -> Tensor:
    """Σ = HᵀH/N (d + 1, d + 1), in chunks, so that features may stay on disk.

    Raises:
        ModelError: there are no rows.
    """
    return second_moment(evidence, with_constant, _CHUNK)


def second_moment(evidence: Evidence, phi: Callable[[Tensor], Tensor], chunk: int) -> Tensor:
    """Mean over the training rows of φ(h)φ(h)ᵀ, in chunks."""
    n = len(evidence)
    if not n:
        raise ModelError("There are no training rows to score; keep at least one.")
    first = phi(evidence.features.rows(torch.arange(min(chunk, n))))
    total = first.T @ first
    for start in range(chunk, n, chunk):
        f = phi(evidence.features.rows(torch.arange(start, min(start + chunk, n))))
        total.addmm_(f.T, f)
    return total / n


def factorise(sigma: Tensor, strength: float) -> Tensor:
    """Cholesky factor of Σ + strength·σ̄ I; σ̄ is the mean eigenvalue, trace/d."""
    d = len(sigma)
    damping = strength * float(sigma.diagonal().mean()) + 1e-8
    return torch.linalg.cholesky(sigma + damping * torch.eye(d, device=sigma.device))


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    factor: Tensor  # (d + 1, d + 1)
    residual: Tensor  # (N, C)

    def query(self, targets: Targets) -> Query:
        h = with_constant(targets.features)
        solved = torch.cholesky_solve(h.T, self.factor)  # (d + 1, T)
        surprise = residuals(targets.proba, targets.labels)
        return _Query(self.evidence, self.residual, solved, surprise)


@dataclass(frozen=True)
class _Query:
    evidence: Evidence
    residual: Tensor  # (N, C)
    solved: Tensor  # (d + 1, T)
    surprise: Tensor  # (T, C)

    def scores(self, rows: slice) -> Scores:
        h = self.evidence.features.rows(torch.arange(rows.start, rows.stop))
        kernel = torch.addmm(self.solved[-1], h, self.solved[:-1])  # (n, T)
        return Scores((kernel * (self.residual[rows] @ self.surprise.T)).T)


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Factorise once; `settings["strength"]` is λ of the formula."""
    return _Prepared(
        evidence,
        factorise(covariance(evidence), float(settings.get("strength", LAMBDA))),
        flipped_residuals(evidence),
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
