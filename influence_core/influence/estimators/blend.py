"""A blend of the other estimators, weighted by how well each predicted retrainings here.

score(t, i) = Σ_e w_e · s_e(t, i) / size_e(t), size_e(t) the root mean square of e's scores over
an evenly spaced sample of the rows, so that units do not matter. The weights are fitted by
`evaluation.choose`, which keeps them only if they beat the best single estimator on targets and
subsets that they were not fitted on. Until then it is the flipped-residual ridge by itself.
"""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from influence_core.errors import ModelError
from influence_core.influence.base import (
    NO_SETTINGS,
    Estimator,
    Evidence,
    LongQuery,
    MeanScores,
    NatsQuery,
    Prepared,
    Query,
    Scores,
    Settings,
    Targets,
)
from influence_core.influence.estimators.cosine import FLIPPED_COSINE
from influence_core.influence.estimators.gradient import GRADIENT
from influence_core.influence.estimators.kernel_regression import FLIPPED_KERNEL
from influence_core.influence.estimators.replay import REPLAY
from influence_core.influence.estimators.ridge import FLIPPED_RIDGE
from influence_core.influence.estimators.similarity import SIMILARITY
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import mean_over
from influence_core.progress import ProgressFn

PARTS = {
    e.name: e
    for e in (FLIPPED_RIDGE, REPLAY, FLIPPED_KERNEL, TURNOVER, FLIPPED_COSINE, GRADIENT, SIMILARITY)
}
SAMPLE = 512


@dataclass(frozen=True)
class _Prepared:
    evidence: Evidence
    parts: tuple[Prepared, ...]
    weights: tuple[float, ...]

    def query(self, targets: Targets) -> Query:
        queries = tuple(part.query(targets) for part in self.parts)
        return _Query(queries, self.weights, len(self.evidence))

    def mean(
        self, targets: Targets, progress: ProgressFn | None, cancel: threading.Event | None
    ) -> MeanScores:
        """The parts' means, each in units of its own size; their errors as if independent."""
        n = len(self.evidence)
        total, variance, freedom = np.zeros(n), np.zeros(n), math.inf
        for part, weight in zip(self.parts, self.weights, strict=True):
            found = mean_over(part, targets, n, progress=progress, cancel=cancel)
            factor = weight / max(float(np.sqrt(np.square(found.mean).mean())), 1e-12)
            total += factor * found.mean
            variance += (factor * found.stderr.astype(np.float64)) ** 2
            freedom = min(freedom, found.freedom)
        return MeanScores(total.astype(np.float32), np.sqrt(variance).astype(np.float32), freedom)


@dataclass(eq=False)
class _Query:
    queries: tuple[Query, ...]
    weights: tuple[float, ...]
    rows: int
    factors: tuple[Tensor, ...] = ()  # (T, 1) each, once the parts have run

    def run(self, progress: ProgressFn | None, cancel: threading.Event | None) -> None:
        """Let those parts make their pass that need one, and measure the size of all."""
        for query in self.queries:
            if isinstance(query, LongQuery):
                query.run(progress, cancel)
        sizes = (score_size(query, self.rows) for query in self.queries)
        self.factors = tuple(w / s for w, s in zip(self.weights, sizes, strict=True))

    def scores(self, rows: slice) -> Scores:
        if not self.factors:
            self.run(None, None)
        total: Tensor | None = None
        for query, factor in zip(self.queries, self.factors, strict=True):
            part = query.scores(rows).scores * factor
            total = part if total is None else total + part
        if total is None:
            raise ModelError("The blend has no part; give at least one weight above zero.")
        return Scores(total)

    def by_member(self, rows: Tensor) -> Tensor | None:
        """See `NatsQuery`: only a part that goes through the training is in nats."""
        for query in self.queries:
            if isinstance(query, NatsQuery):
                return query.by_member(rows)
        return None


def together(ridge: Query, replay: Query, rows: int) -> Query:
    """What `TOGETHER` answers, from queries of its two parts that exist already."""
    return _Query((ridge, replay), (1.0, 1.0), rows)


def score_size(query: Query, rows: int) -> Tensor:
    """Root mean square of a query's scores over up to `SAMPLE` evenly spread rows, (T, 1)."""
    blocks = 16
    length = max(1, min(SAMPLE, rows) // blocks)
    starts = sorted({int(s) for s in torch.linspace(0, rows - length, blocks)})
    parts = [query.scores(slice(s, s + length)).scores for s in starts]
    return torch.cat(parts, 1).square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)


def blend_parts(settings: Settings) -> list[str]:
    """The estimators that a blend with these settings runs."""
    return [name for name, weight in _weights(settings).items() if weight]


def _weights(settings: Settings) -> Mapping[str, float]:
    """Weight by estimator: the ridge alone where nothing has been fitted."""
    weights: Mapping[str, float] = settings.get("weights") or {FLIPPED_RIDGE.name: 1.0}
    return weights


def prepare(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """Prepare every part with a weight.

    `settings` holds `weights`, {estimator: weight}, and `parts`, {estimator: its own settings}.

    Raises:
        ModelError: a weight belongs to no estimator.
    """
    weights = _weights(settings)
    own: Mapping[str, Settings] = settings.get("parts") or {}
    unknown = sorted(set(weights) - set(PARTS))
    if unknown:
        raise ModelError(f"A blend cannot hold {unknown}; its parts are {', '.join(PARTS)}.")
    used = blend_parts(settings)
    return _Prepared(
        evidence,
        tuple(PARTS[name].prepare(evidence, own.get(name, NO_SETTINGS)) for name in used),
        tuple(float(weights[name]) for name in used),
    )


COMBINED = Estimator(
    name="combined",
    title="Blend",
    explanation=(
        "The estimators above, weighted by how well each predicted retrainings on your own data.\n"
        "Before an evaluation has fitted the weights it equals the flipped-residual ridge."
    ),
    source="Turnover; weights by non-negative least squares on held-out retrainings",
    prepare=prepare,
)


def prepare_together(evidence: Evidence, settings: Settings = NO_SETTINGS) -> _Prepared:
    """The ridge and replay with equal weights; `settings` holds `parts` as for the blend."""
    weights = {FLIPPED_RIDGE.name: 1.0, REPLAY.name: 1.0}
    return prepare(evidence, {"weights": weights, "parts": settings.get("parts")})


TOGETHER = Estimator(
    name="together",
    title="Ridge and replay together",
    explanation=(
        "The flipped-residual ridge and the replay of this run, each in units of its own size,\n"
        "added: one knows what any training would do, the other what this one did."
    ),
    source="Turnover; see its parts",
    prepare=prepare_together,
    needs_head=True,
    by_pass=True,
)
