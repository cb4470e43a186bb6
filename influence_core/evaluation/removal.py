"""Subset removal: take away what an estimator calls most helpful and see how much it hurts.

For each target and estimator the k rows of highest score are left out, the head is retrained, and
the rise of the target's loss above the retraining with all rows is the estimator's mark: the higher
the better (Brunet-style removal curves, as in Park et al. 2023, appendix). Random rows of the
target's label are the baseline. Pure; `workflow.evaluate` calls it.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from influence_core.disk.checkpoint import Parts
from influence_core.evaluation.lds import Interval
from influence_core.evaluation.retrain import Recipe, retrain, without
from influence_core.influence.base import Query, Targets
from influence_core.progress import ProgressFn
from influence_core.training.heads.types import Rows

Positions = npt.NDArray[np.int64]
SIZES = (10, 40, 160)
RANDOM = "random"
_CHUNK = 16_384


@dataclass(frozen=True)
class RemovalPoint:
    """Mean rise of the targets' losses, in nats, after leaving out `removed` rows each."""

    estimator: str
    removed: int
    rise: Interval


def most_helpful(query: Query, rows: int, k: int) -> Positions:
    """The k rows of highest score for each target, best first, (T, k)."""
    parts = [
        query.scores(slice(start, min(start + _CHUNK, rows))).scores.cpu().numpy()
        for start in range(0, rows, _CHUNK)
    ]
    scores = np.concatenate(parts, axis=1)
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


def removal_curves(
    recipe: Recipe,
    targets: Targets,
    rankings: Mapping[str, Positions],
    *,
    sizes: Sequence[int] = SIZES,
    parts: Parts | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> list[RemovalPoint]:
    """Retrain without each ranking's first k rows, for each target and each k of `sizes`.

    Args:
        rankings: (T, at least max(sizes)) positions per estimator, most helpful first.
        parts: where finished retrainings are kept, see `retrain`.
    """
    rows = recipe.rows
    labels = targets.labels.cpu().numpy()
    everything = {**rankings, RANDOM: _random(rows, labels, max(sizes))}
    sizes = [k for k in sizes if k < len(rows.labels) // 2]
    plan = [(name, t, k) for name in everything for t in range(len(targets)) for k in sizes]
    removed = [np.array([], dtype=np.int64), *(everything[name][t, :k] for name, t, k in plan)]
    grouped = replace(rows, weights=without(len(rows.labels), removed))
    seen = retrain(
        grouped,
        recipe.config,
        recipe.training,
        targets.features,
        parts=parts,
        progress=progress,
        cancel=cancel,
    )
    losses = -seen[:, :, np.arange(len(labels)), labels].mean(axis=1)  # (G, T)
    rise: dict[tuple[str, int], list[float]] = {}
    for group, (name, t, k) in enumerate(plan, start=1):
        rise.setdefault((name, k), []).append(float(losses[group, t] - losses[0, t]))
    return [RemovalPoint(name, k, Interval.of(np.array(v))) for (name, k), v in rise.items()]


def _random(rows: Rows, labels: npt.NDArray[np.int64], k: int) -> Positions:
    """k random rows of each target's label, filled up with others where there are too few."""
    own = rows.labels.cpu().numpy()
    chosen = []
    for t, label in enumerate(labels):
        order = np.random.default_rng((t, 0x72656D)).permutation(len(own))
        chosen.append(np.concatenate([order[own[order] == label], order[own[order] != label]])[:k])
    return np.stack(chosen)
