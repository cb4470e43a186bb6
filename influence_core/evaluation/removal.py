"""Subset removal: take away what an estimator calls most helpful and see how much it hurts.

For each target and estimator the k rows of highest score are left out, the head is retrained, and
the rise of the target's loss above the retraining with all rows is the estimator's mark: the higher
the better (Brunet-style removal curves, as in Park et al. 2023, appendix). Random rows of the
target's label are the baseline. `query_loss_differences` sums it up in one figure an estimator.
Pure; `workflow.evaluate` calls both.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from influence_core.disk.checkpoint import Parts
from influence_core.evaluation.lds import Array, Interval
from influence_core.evaluation.retrain import Recipe, label_losses, retrain, without
from influence_core.influence.base import Query, Targets
from influence_core.progress import ProgressFn
from influence_core.training.heads.types import Rows

Positions = npt.NDArray[np.int64]
SIZES = (10, 40, 160)
SHARE = 0.01  # of the rows, for the query loss difference
DRAWS = 8  # of random rows, for its baseline
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
    removed = [everything[name][t, :k] for name, t, k in plan]
    found = _rises(recipe, targets, removed, parts, progress, cancel)
    rise: dict[tuple[str, int], list[float]] = {}
    for group, (name, t, k) in enumerate(plan):
        rise.setdefault((name, k), []).append(float(found[group, t]))
    return [RemovalPoint(name, k, Interval.of(np.array(v))) for (name, k), v in rise.items()]


def query_loss_differences(
    recipe: Recipe,
    targets: Targets,
    rankings: Mapping[str, Positions],
    *,
    seed: int = 0,
    parts: Parts | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, Array]:
    """QLD of each target (T,), in nats, by estimator: above 0 is better than chance.

    The rise of the target's loss without the first `one_percent` rows of its ranking, minus its
    mean rise without as many random rows (Bergson, arXiv 2606.11660).

    Args:
        rankings: (T, at least `one_percent`) positions per estimator, most helpful first.
        seed: of the random rows.
        parts: where finished retrainings are kept, see `retrain`.
    """
    n, count = len(recipe.rows.labels), len(targets)
    k = one_percent(n)
    rng = np.random.default_rng((seed, 0x716C64))
    removed = [rng.permutation(n)[:k] for _ in range(DRAWS)]
    removed += [ranking[t, :k] for ranking in rankings.values() for t in range(count)]
    found = _rises(recipe, targets, removed, parts, progress, cancel)
    chance, own = found[:DRAWS].mean(0), found[DRAWS:].reshape(len(rankings), count, count)
    return {name: np.diagonal(rises) - chance for name, rises in zip(rankings, own, strict=True)}


def one_percent(rows: int) -> int:
    """How many rows the query loss difference leaves out, at least one."""
    return max(1, round(SHARE * rows))


def _rises(
    recipe: Recipe,
    targets: Targets,
    removed: list[Positions],
    parts: Parts | None,
    progress: ProgressFn | None,
    cancel: threading.Event | None,
) -> Array:
    """Rise of every target's loss without each list of rows, (lists, T)."""
    rows = recipe.rows
    nobody = np.array([], dtype=np.int64)
    seen = retrain(
        replace(rows, weights=without(len(rows.labels), [nobody, *removed])),
        recipe.config,
        recipe.training,
        targets.features,
        parts=parts,
        progress=progress,
        cancel=cancel,
    )
    losses = label_losses(seen, targets.labels.cpu().numpy())
    return (losses[1:] - losses[:1]).astype(np.float64)


def _random(rows: Rows, labels: npt.NDArray[np.int64], k: int) -> Positions:
    """k random rows of each target's label, filled up with others where there are too few."""
    own = rows.labels.cpu().numpy()
    chosen = []
    for t, label in enumerate(labels):
        order = np.random.default_rng((t, 0x72656D)).permutation(len(own))
        chosen.append(np.concatenate([order[own[order] == label], order[own[order] != label]])[:k])
    return np.stack(chosen)
