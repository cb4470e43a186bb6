"""A linear model of the labels, without each row in turn: what a user's probabilities lean on.

The probabilities of one model, of which each fold has seen a part of the rows, are noisier than the
mean of many members that ours are, and so are residuals by them. The average with a second model's,
which costs no training, is less so; docs/own-features.md says how much that is worth.

Source: leave-one-out of a ridge in closed form, Allen 1974 (PRESS).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from influence_core.training.features import Standardised

DAMPINGS = (0.3, 1.0, 3.0)  # of the mean square of the features; the best at the labels is taken
TEMPERATURES = np.logspace(0, 2, 40).tolist()
_LEAST = 1e-3  # of 1 − leverage
_TRIED = 5_000  # rows, about, by which damping and sharpness are chosen
_CHUNK = 8_192


@dataclass(frozen=True)
class Linear:
    """Its logits are weight (d, C) times standardised features, and a bias (C,).

    `outside` (N, C) are the probabilities of each row by the model without it.
    """

    weight: Tensor
    bias: Tensor
    outside: Tensor


def second_moment(features: Standardised) -> Tensor:
    """XᵀX of the rows, (d, d): what every linear model of them needs."""
    d = len(features.mean)
    moment = torch.zeros(d, d)
    for part in torch.arange(len(features)).split(_CHUNK):
        x = features.rows(part)
        moment.addmm_(x.T, x)
    return moment


def product_with(features: Standardised, wanted: Tensor) -> Tensor:
    """Xᵀ times a matrix (N, k) of numbers of the rows, (d, k)."""
    product = torch.zeros(len(features.mean), wanted.shape[1])
    for part in torch.arange(len(features)).split(_CHUNK):
        product.addmm_(features.rows(part).T, wanted[part])
    return product


def leave_one_out(
    features: Standardised, labels: Tensor, classes: int, moment: Tensor | None = None
) -> Linear:
    """Fit it on all rows, and predict each one without it.

    Args:
        features: (N, d). labels: (N,). moment: `second_moment` of them, if it is known.
    """
    n = len(features)
    wanted = one_hot(labels, classes).float()  # (N, C)
    prior = wanted.mean(0)
    moment = second_moment(features) if moment is None else moment
    product = product_with(features, wanted - prior)
    some = torch.arange(0, n, max(1, n // _TRIED))
    tried = []
    for damping in DAMPINGS:
        fit = _Fit.of(moment, product, prior, damping)
        tried.append((*_sharpness(fit.outside(features, wanted, some), labels[some]), fit))
    _, sharp, best = min(tried, key=lambda found: found[0])
    outside = torch.cat([best.outside(features, wanted, p) for p in torch.arange(n).split(_CHUNK)])
    return Linear(best.weight * sharp, prior * sharp, (outside * sharp).softmax(1))


@dataclass(frozen=True)
class _Fit:
    """A ridge: weights (d, C), an intercept (C,), and what gives a row's leverage, (d, d)."""

    weight: Tensor
    prior: Tensor
    inverse: Tensor

    @classmethod
    def of(cls, moment: Tensor, product: Tensor, prior: Tensor, damping: float) -> "_Fit":
        more = damping * float(moment.diagonal().mean()) + 1e-6
        factor = torch.linalg.cholesky(moment + more * torch.eye(len(moment)))
        inverse = torch.linalg.solve_triangular(factor, torch.eye(len(moment)), upper=False)
        return cls(torch.cholesky_solve(product, factor), prior, inverse)

    def outside(self, features: Standardised, wanted: Tensor, rows: Tensor) -> Tensor:
        """(n, C) what is fitted to these rows without each of them."""
        x = features.rows(rows)
        leverage = ((x @ self.inverse.T) ** 2).sum(1, keepdim=True) + 1 / len(features)
        fitted = x @ self.weight + self.prior
        return (fitted - leverage * wanted[rows]) / (1 - leverage).clamp_min(_LEAST)


def _sharpness(fitted: Tensor, labels: Tensor) -> tuple[float, float]:
    """The least cross-entropy of fitted labels (n, C) as logits, and the factor that gives it."""
    across = fitted.T.contiguous()[None]  # (1, C, n): torch is slow along a short last dimension
    return min((float(cross_entropy(across * t, labels[None])), t) for t in TEMPERATURES)
