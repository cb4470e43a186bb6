"""Flipped-residual ridge: the default estimator.

score(t, i) = Σ_c r̃_ic r_tc · h_tᵀ (Σ_c + λ·σ̄·v̄_c I)⁻¹ h_i with standardised encoder features h and
a constant 1 beside them; r̃ the *flipped-side* residual (one-hot − softened probabilities p̃) of the
training row, r the full network's residual of the target; Σ_c = mean of v_ic h_i h_iᵀ with the
variance v_ic = p̃_ic (1 − p̃_ic) + 0.02, v̄_c its mean, σ̄ the mean of h². It is the influence function
of a ridge logistic regression on the encoder, one class against the rest, fed with residuals that
are out-of-sample because turn-over training gives them for free. C factorisations of d × d a run
(one where there are two classes, or more than `BLOCKS`), one (N, d) × (d, C) product a target (one
matrix-vector product where there is one factorisation).

Source: ours (docs/estimators.md has the measurements); the influence function of a linear model is
Cook & Weisberg 1982 and Koh & Liang 2017, equation 2.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
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
    residuals,
    softened,
)
from influence_core.training.features import as_stored

if TYPE_CHECKING:  # compiled code is loaded by who runs it
    from influence_core.influence.kernels.ridge import SingleKernel

NOISE = 4.5  # of `by_size`
FLOOR = 0.02  # of a row's variance, so that rows the model is sure of still count
BLOCKS = 64  # classes with a matrix of their own; with more they share one
_CHUNK = 2048  # rows whose weighted copies stay in the cache
_STRIPES = 4  # of Σ, each computed up to the diagonal


def with_constant(h: Tensor) -> Tensor:
    """Features with a constant 1 behind them, (n, d + 1): the regression's intercept."""
    return torch.cat([h, h.new_ones(len(h), 1)], dim=1)


def weighted_moments(
    evidence: Evidence,
    weights: Tensor,
    phi: Callable[[Tensor], Tensor] = with_constant,
    chunk: int = _CHUNK,
) -> Tensor:
    """Σ_k = mean of v_ik φ_i φ_iᵀ, (K, D, D), in chunks, so that features may stay on disk.

    Args:
        weights: v, (N, K).
        phi: (n, d) features to (n, D).

    Raises:
        ModelError: there are no rows.
    """
    n = len(evidence)
    total: Tensor | None = None
    for start in range(0, n, chunk):
        rows = torch.arange(start, min(start + chunk, n))
        f = phi(evidence.features.rows(rows))
        if total is None:
            total = f.new_zeros(weights.shape[1], f.shape[1], f.shape[1])
        scaled = torch.empty_like(f)
        for sigma, root in zip(total, weights[start : start + chunk].sqrt().T, strict=True):
            _add_lower(sigma, torch.mul(f, root[:, None], out=scaled))
    if total is None:
        raise ModelError("There are no training rows to score; keep at least one.")
    lower = total.tril_().div_(n)
    return lower + lower.tril(-1).mT


def _add_lower(sigma: Tensor, f: Tensor) -> None:
    """Add fᵀf (D, D), of which the blocks above the diagonal are left out."""
    depth = len(sigma)
    edges = [depth * i // _STRIPES for i in range(_STRIPES + 1)]
    for low, high in itertools.pairwise(edges):
        sigma[low:high, :high].addmm_(f[:, low:high].T, f[:, :high])


def by_size(rows: int, features: int) -> float:
    """λ of a project that no evaluation has measured: 4.5·√(d/N).

    The moments Σ of N rows in d dimensions are known up to about √(d/N) of their mean eigenvalue
    (Vershynin 2012, "How close is the sample covariance matrix to the actual one?"), so directions
    below that are damped. benchmarks/strength.md has what it loses against the best λ.

    Args:
        rows: N of the training split.
        features: d of the encoder.
    """
    return float(np.clip(NOISE * np.sqrt(features / max(rows, 1)), 0.25, 16.0))


def factorise(sigma: Tensor, strength: float) -> Tensor:
    """Cholesky factor of Σ + strength·σ̄ I; σ̄ is the mean eigenvalue, trace/d.

    Raises:
        ModelError: the features behind Σ are not finite.
    """
    d = len(sigma)
    damping = strength * float(sigma.diagonal().mean()) + 1e-8
    try:
        return torch.linalg.cholesky(sigma + damping * torch.eye(d, device=sigma.device))
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        raise ModelError(
            "The training rows' features hold NaN, infinity or numbers far too large, so no "
            "estimator can use them; delete the project's folder `features` and train again."
        ) from error


def block_weights(proba: Tensor) -> Tensor:
    """Variances v (N, K) that weigh the rows of each block; K is C, or 1 for all classes."""
    variance = proba * (1.0 - proba) + FLOOR
    if proba.shape[1] == 2:  # both classes have the same
        return variance[:, :1]
    return variance if proba.shape[1] <= BLOCKS else variance.mean(1, keepdim=True)


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    factors: Tensor  # (K, d + 1, d + 1)
    residual: Tensor  # (N, C)

    def query(self, targets: Targets) -> Query:
        h = with_constant(targets.features).T
        surprise = residuals(targets.proba, targets.labels)  # (T, C)
        solved = [torch.cholesky_solve(h, factor) for factor in self.factors]  # (d + 1, T) each
        if len(targets) == 1:
            return _single(self.evidence, self.residual, torch.cat(solved, 1), surprise[0])
        return _Query(self.evidence, self.residual, tuple(solved), surprise)

    def together(self, targets: Targets) -> Query:
        """Σ_c r̃_ic · h_iᵀ (Σ_c + …)⁻¹ m_c with m_c the mean of r_tc h_t: see `LinearPrepared`."""
        h = with_constant(targets.features)
        mean = h.T @ residuals(targets.proba, targets.labels) / len(targets)  # (d + 1, C)
        factors = self.factors.expand(mean.shape[1], -1, -1)
        solved = torch.cholesky_solve(mean.T[..., None], factors)[..., 0].T
        return _single(self.evidence, self.residual, solved, torch.ones_like(mean[0]))


@dataclass(frozen=True)
class _Query:
    evidence: Evidence
    residual: Tensor  # (N, C)
    solved: tuple[Tensor, ...]  # K of (d + 1, T)
    surprise: Tensor  # (T, C)

    def scores(self, rows: slice) -> Scores:
        h = self.evidence.features.rows(torch.arange(rows.start, rows.stop))
        residual = self.residual[rows]
        if len(self.solved) == 1:
            agreement = residual @ self.surprise.T
            return Scores((_similarity(h, self.solved[0]) * agreement).T)
        total = torch.zeros(len(h), len(self.surprise), device=h.device)
        for c, solved in enumerate(self.solved):
            total.addcmul_(_similarity(h, solved * self.surprise[:, c]), residual[:, c : c + 1])
        return Scores(total.T)


@dataclass(frozen=True)
class _SingleQuery:
    """One target: all classes in one pass, so that the features are read once, not C times."""

    evidence: Evidence
    residual: Tensor  # (N, C)
    solved: Tensor  # (d + 1, C) times the target's residual; (d + 1, 1) if the classes share it
    shared: Tensor | None  # the target's residual (C,), if they do

    def scores(self, rows: slice) -> Scores:
        h = self.evidence.features.rows(torch.arange(rows.start, rows.stop))
        residual = self.residual[rows]
        if self.shared is not None:
            residual = (residual @ self.shared)[:, None]
        return Scores(_similarity(h, self.solved).mul_(residual).sum(1)[None])


@dataclass(frozen=True)
class _KernelQuery:
    """The same by the compiled kernel of the CPU."""

    evidence: Evidence
    residual: npt.NDArray[np.float32]  # (N, C)
    stored: npt.NDArray[np.float16] | None  # (N, d) to be read instead of the evidence's features
    kernel: "SingleKernel"

    @classmethod
    def of(cls, query: _SingleQuery) -> "_KernelQuery":
        """Lay the target's weights out; where rows lie in float16, standardise the weights."""
        from influence_core.influence.kernels.ridge import SingleKernel, has_halves

        weights, bias = query.solved[:-1], query.solved[-1]
        stored = as_stored(query.evidence.features) if has_halves() else None
        if stored is not None:
            # (x − mean) · scale · w + b = x · (scale · w) + (b − mean · (scale · w))
            weights = weights * stored.scale[:, None]
            bias = (bias.double() - stored.mean.double() @ weights.double()).float()
        shared = None if query.shared is None else query.shared.numpy()
        return cls(
            query.evidence,
            query.residual.numpy(),
            None if stored is None else stored.raw,
            SingleKernel.of(weights.numpy(), bias.numpy(), shared),
        )

    def scores(self, rows: slice) -> Scores:
        if self.stored is None:
            h = self.evidence.features.rows(torch.arange(rows.start, rows.stop)).numpy()
        else:
            h = self.stored[rows]
        return Scores(torch.from_numpy(self.kernel.scores(h, self.residual[rows]))[None])


def _single(evidence: Evidence, residual: Tensor, solved: Tensor, surprise: Tensor) -> Query:
    """A query of one target with solved (d + 1, K) and its own residual (C,)."""
    shared = surprise if solved.shape[1] == 1 else None
    query = _SingleQuery(
        evidence, residual, solved if shared is not None else solved * surprise, shared
    )
    if solved.device.type == "cpu":
        from influence_core.influence.kernels.cache_lines import LANES

        if len(solved) > LANES:
            return _KernelQuery.of(query)
    return query


def _similarity(h: Tensor, solved: Tensor) -> Tensor:
    """(n, d), (d + 1, m) to (n, m): the constant's part is added, not multiplied."""
    return torch.addmm(solved[-1], h, solved[:-1])


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Factorise once; `settings["strength"]` is λ of the formula; without it `by_size`."""
    proba = softened(evidence)
    moments = weighted_moments(evidence, block_weights(proba))
    strength = float(settings.get("strength", by_size(len(evidence), moments.shape[-1] - 1)))
    factors = [factorise(sigma, strength) for sigma in moments]
    return _Prepared(evidence, torch.stack(factors), residuals(proba, evidence.labels))


FLIPPED_RIDGE = Estimator(
    name="flipped-ridge",
    title="Flipped-residual ridge",
    explanation=(
        "How alike two rows are to a ridge regression on the encoder's features, times how far\n"
        "both labels surprise the model. The row's surprise comes from the side that never saw it."
    ),
    source="Turnover; influence of a linear model: Koh & Liang 2017, eq. 2",
    prepare=prepare,
)
