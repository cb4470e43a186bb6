"""Last-layer gradient product: TracIn's form, averaged over the members of a head.

score(t, i) = mean over members of (a_t · a_i) · ⟨r_i, r_t⟩, a the hidden activations and r the
residuals (one-hot − probabilities) of that member's full network. Each factor pair is the inner
product of two rows' gradients with respect to the last layer: a step on row i lowers the loss on
target t in proportion to it. In-sample residuals make rows that the model has memorised silent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from influence_core.influence.base import (
    NO_SETTINGS,
    Estimator,
    Evidence,
    HeadWeights,
    Query,
    Scores,
    Settings,
    Targets,
    need_head,
)
from influence_core.influence.estimators.turnover import standard_error
from influence_core.turnover.head import hidden

_CHUNK = 1024


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    head: HeadWeights

    def query(self, targets: Targets) -> Query:
        a, r = last_layer(self.head, targets.features, targets.labels)
        return _Query(self.evidence, self.head, a, r)


@dataclass(frozen=True)
class _Query:
    evidence: Evidence
    head: HeadWeights
    activations: Tensor  # (E, T, H)
    residual: Tensor  # (E, T, C)

    def scores(self, rows: slice) -> Scores:
        means, errors = [], []
        for start in range(rows.start, rows.stop, _CHUNK):
            part = slice(start, min(start + _CHUNK, rows.stop))
            x = self.evidence.features.rows(torch.arange(part.start, part.stop))
            a, r = last_layer(self.head, x, self.evidence.labels[part])
            kernel = torch.bmm(self.activations, a.transpose(1, 2))  # (E, T, n)
            products = kernel.mul_(torch.bmm(self.residual, r.transpose(1, 2)))
            means.append(products.mean(0))
            errors.append(standard_error(products))
        return Scores(torch.cat(means, 1), torch.cat(errors, 1))


def last_layer(head: HeadWeights, x: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden activations (E, B, H) and residuals (E, B, C) of each member's full network."""
    a = hidden(x, head.W1, head.b1)
    r = torch.bmm(a, head.W2).softmax(-1).neg_()
    r[:, torch.arange(len(labels), device=r.device), labels] += 1.0
    return a, r


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Nothing to precompute beyond the head itself."""
    return _Prepared(evidence, need_head(evidence, "gradient"))


GRADIENT = Estimator(
    name="gradient",
    title="Last-layer gradient product",
    explanation=(
        "How much one training step on the row would lower the loss on the target, last layer\n"
        "only. The mean over members with its standard error; memorised rows score near zero."
    ),
    source="TracIn: Pruthi et al. 2020; last layer as in Yeh et al. 2022",
    prepare=prepare,
    needs_head=True,
)
