"""Retraining, the measure of all else: the same head without these rows, or with other labels.

G retrainings share start, masks and batch order and differ only in which rows count and what their
labels are (*groups* of `training.heads`), so that what differs between two of them is due to the
data alone. They run in chunks that fit into memory; with a place to keep them in (`parts`), every
finished chunk survives a stop or a crash, and the next call goes on from there.

Called by `lds`, `removal`, `loo`, `proof` and trials.
"""

import threading
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.disk.checkpoint import Parts
from influence_core.disk.fingerprint import of_tensors
from influence_core.errors import ModelError
from influence_core.influence.base import HeadWeights
from influence_core.models.device import in_chunks
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.training.heads.checkpoint import HeadCheckpoint, identity
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig

F32 = npt.NDArray[np.float32]

# Bytes of weights, gradients, optimiser state and activations of the groups in one chunk. Small
# chunks are also faster on a CPU: their weights stay in the cache.
CHUNK_BYTES = 32 << 20
_STEP = 4096  # target rows per forward pass


@dataclass(frozen=True)
class Recipe:
    """What is retrained and how: the rows, the shape and start, the number of epochs and order."""

    rows: Rows
    config: HeadConfig
    training: HeadTraining


@torch.no_grad()
def retrain(
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    x: Tensor,
    *,
    parts: Parts | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> F32:
    """Train every group and look at the targets.

    Args:
        rows: N rows with (N, G) weights (0 leaves a row out; booleans will do), or (N, G) labels.
        config: shape, start and masks, the same for every group.
        training: with a fixed number of epochs; its seed is the batch order.
        x: (T, d) standardised features of the targets.
        parts: where finished chunks and the one under way are kept; they stay until the caller
            discards them.
        progress: called after each epoch of each chunk, in groups done.
        cancel: set it to stop; finished chunks stay in `parts`.

    Returns:
        Class log-probabilities of the full network, (G, E, T, C).

    Raises:
        ModelError: the number of epochs is open.
    """
    if training.epochs is None:
        raise ModelError(
            "Retrainings are compared after the same number of epochs; give the number that the "
            "run kept instead of stopping early."
        )
    groups = rows.groups
    out = np.empty((groups, config.members, len(x), config.classes), dtype=np.float32)
    if parts is not None:
        # All features are too much to read; those of 64 rows tell other ones well enough.
        some = rows.features.rows(torch.linspace(0, len(rows.features) - 1, 64).long())
        seen_by = of_tensors(f"{tuple(x.shape)}", {"x": x, "some": some})
        parts = parts.of(identity(rows, config, training, {}), seen_by)

    def run(which: slice) -> None:
        check_cancel(cancel)
        part = np.arange(which.start, which.stop)

        def tell(event: Progress) -> None:
            if progress:
                share = int(len(part) * event.done / max(event.total, 1))
                progress(Progress("retrain", which.start + share, groups))

        what = Recipe(_some(rows, part), config, training)
        seen = _chunk(what, f"groups {part[0]}-{part[-1]}", x, parts, tell, cancel)  # (g·E, T, C)
        out[part] = seen.view(len(part), *out.shape[1:]).numpy()

    size = chunk_groups(config, training.batch_for(len(rows.features)))
    in_chunks(run, groups, size, lower="the head's width or members")
    return out


def random_halves(rows: int, count: int, seed: int = 0) -> Tensor:
    """`count` random halves of the rows as (N, count) booleans."""
    rng = np.random.default_rng(seed)
    halves = np.zeros((rows, count), dtype=np.bool_)
    for column in range(count):
        halves[rng.permutation(rows)[: rows // 2], column] = True
    return torch.from_numpy(halves)


def without(rows: int, removed: list[npt.NDArray[np.int64]]) -> Tensor:
    """One group a list of positions that it lacks: (N, G) booleans."""
    weights = torch.ones(rows, len(removed), dtype=torch.bool)
    for group, positions in enumerate(removed):
        weights[torch.from_numpy(np.asarray(positions, dtype=np.int64)), group] = False
    return weights


def label_losses(log_proba: F32, labels: npt.NDArray[np.int64]) -> F32:
    """Cross-entropy of each group on each target, (G, T) in nats: the mean over members.

    Args:
        log_proba: (G, E, T, C). labels: (T,) the label whose loss is asked about.
    """
    picked = np.take_along_axis(log_proba, labels[None, None, :, None], axis=3)
    return -picked[..., 0].mean(axis=1)


def chunk_groups(config: HeadConfig, batch: int) -> int:
    """How many groups fit into `CHUNK_BYTES`, at least one."""
    weights = config.width * (config.features + config.classes + 1)
    activations = batch * (2 * config.width + 3 * config.classes)
    per_group = 4 * config.members * (4 * weights + activations)  # value, gradient, two moments
    return max(1, CHUNK_BYTES // per_group)


def _some(rows: Rows, part: npt.NDArray[np.int64]) -> Rows:
    groups = torch.from_numpy(part)
    labels = rows.labels[:, groups] if rows.labels.ndim == 2 else rows.labels
    weights = None if rows.weights is None else rows.weights[:, groups].float()
    return replace(rows, labels=labels, weights=weights)


def _chunk(
    what: Recipe,
    name: str,
    x: Tensor,
    parts: Parts | None,
    tell: ProgressFn,
    cancel: threading.Event | None,
) -> Tensor:
    """Log-probabilities (g·E, T, C) of a chunk, on the CPU: those of an earlier call, if kept."""
    found = parts.find(name) if parts else None
    if found is not None:
        tell(Progress("train", 1, 1))
        return found[0]["log_proba"]
    under_way = HeadCheckpoint(parts.under_way(name)) if parts else None
    rows, config = what.rows, what.config
    fit = fit_heads(rows, config, what.training, progress=tell, cancel=cancel, checkpoint=under_way)
    seen = _log_proba(HeadWeights(fit.W1, fit.b1, fit.W2, config), x).cpu()
    if parts:
        parts.keep(name, {"log_proba": seen}, {})
    return seen


def _log_proba(head: HeadWeights, x: Tensor) -> Tensor:
    parts = [head.logits(x[i : i + _STEP]).log_softmax(-1) for i in range(0, len(x), _STEP)]
    return torch.cat(parts, dim=1)
