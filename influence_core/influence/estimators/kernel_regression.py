"""Flipped-residual kernel ridge: the ridge with the bends of a ReLU network.

The same form as `ridge`, a ridge regression's similarity times ⟨r̃_i, r_t⟩, but two rows are alike
as an infinitely wide ReLU layer sees them, by its neural tangent kernel k(x, z) = |x||z| κ(cos θ),
κ(c) = (sin θ + 2(π − θ)c)/π (Cho & Saul 2009; Jacot, Gabriel & Hongler 2018). Its linear part
|x||z|c is kept exactly; the rest k', whose power series has no negative coefficient either and is
therefore a kernel too, goes through m landmark rows Z (Nyström): a row is φ(x) = [x, L⁻¹ k'(Z, x)],
L Lᵀ = k'(Z, Z). One factorisation of size d + m a run, N·m kernel values a scan; nothing of that
size is kept.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

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
from influence_core.influence.estimators.ridge import factorise, weighted_moments

LAMBDA = 1.0
LANDMARKS = 1024
_JITTER = 1e-4
_CHUNK = 2048


def bends(x: Tensor, z: Tensor) -> Tensor:
    """The kernel without its linear part, (n, d), (m, d) to (n, m)."""
    sizes = x.norm(dim=1)[:, None] * z.norm(dim=1)[None]
    cosine = ((x @ z.T) / sizes.clamp_min(1e-12)).clamp_(-1.0, 1.0)
    angle = torch.acos(cosine)
    value = angle.sin().add_((torch.pi - angle).mul_(2.0).mul_(cosine)).div_(torch.pi)
    return value.sub_(cosine).mul_(sizes)


@dataclass(frozen=True)
class _Map:
    """φ: the features themselves, then the landmarks' part."""

    landmarks: Tensor  # (m, d)
    lower: Tensor  # (m, m), Cholesky factor of k'(Z, Z)

    def __call__(self, x: Tensor) -> Tensor:
        part = torch.linalg.solve_triangular(self.lower, bends(self.landmarks, x), upper=False)
        return torch.cat([x, part.T], dim=1)  # (n, d + m)


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    map: _Map
    factor: Tensor  # (d + m, d + m)
    residual: Tensor  # (N, C)

    def query(self, targets: Targets) -> Query:
        solved = torch.cholesky_solve(self.map(targets.features).T, self.factor)  # (d + m, T)
        d = targets.features.shape[1]
        # φ(x)ᵀ s = xᵀ s₁ + k'(x, Z) L⁻ᵀ s₂: rows need kernel values only, no triangular solve.
        bent = torch.linalg.solve_triangular(self.map.lower.T, solved[d:], upper=True)
        surprise = residuals(targets.proba, targets.labels)
        return _Query(self, solved[:d], bent, surprise)


@dataclass(frozen=True)
class _Query:
    ready: _Prepared
    linear: Tensor  # (d, T)
    bent: Tensor  # (m, T)
    surprise: Tensor  # (T, C)

    def scores(self, rows: slice) -> Scores:
        parts = []
        for start in range(rows.start, rows.stop, _CHUNK):
            part = torch.arange(start, min(start + _CHUNK, rows.stop))
            x = self.ready.evidence.features.rows(part)
            parts.append(x @ self.linear + bends(x, self.ready.map.landmarks) @ self.bent)
        kernel = torch.cat(parts)  # (n, T)
        return Scores((kernel * (self.ready.residual[rows] @ self.surprise.T)).T)


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Choose landmarks and factorise once; `settings["strength"]` is the ridge's λ."""
    n = len(evidence)
    chosen = np.random.default_rng(0).permutation(n)[: int(settings.get("landmarks", LANDMARKS))]
    landmarks = evidence.features.rows(torch.from_numpy(np.sort(chosen)))
    inner = bends(landmarks, landmarks)
    jitter = _JITTER * float(inner.diagonal().mean()) + 1e-8
    inner.diagonal().add_(jitter)
    phi = _Map(landmarks, torch.linalg.cholesky(inner))
    (sigma,) = weighted_moments(evidence, torch.ones(n, 1, device=evidence.device), phi, _CHUNK)
    # λ counts in mean eigenvalues of the linear part, as in `ridge`.
    linear = float(sigma.diagonal()[: landmarks.shape[1]].mean())
    share = linear / max(float(sigma.diagonal().mean()), 1e-12)
    factor = factorise(sigma, float(settings.get("strength", LAMBDA)) * share)
    return _Prepared(evidence, phi, factor, flipped_residuals(evidence))


FLIPPED_KERNEL = Estimator(
    name="flipped-kernel",
    title="Flipped-residual kernel",
    explanation=(
        "The flipped-residual ridge with the similarity of a wide ReLU layer instead of a linear\n"
        "one: closer to retraining, at a fraction of a second for 50,000 rows instead of some ms."
    ),
    source="Turnover; kernel: Jacot, Gabriel & Hongler 2018; landmarks: Williams & Seeger 2001",
    prepare=prepare,
)
