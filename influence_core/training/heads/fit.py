"""Train all members of a turn-over head at once, on cached features.

The loop is plain: shuffle, take a batch, give every row its own mask, step. Gradients are written
out because the network has one hidden layer: no graph is kept, activations are overwritten in
place, and the cost stays near that of the matrix products alone. Tests hold it against autograd.

*Groups* make retraining cheap and comparable: G copies of the head start from the same weights,
see the same batches and the same masks, and differ only in which rows count (`weights`) and what
their labels are. Leave-one-out, random halves, proof and cleansing are all this one mechanism.

Early stopping watches the flipped side, which is out-of-sample for every training row and costs no
held-out data. It watches the mean absolute error 1 − p(label), which label noise does not distort
(Ghosh, Kumar & Sastry 2017): cross-entropy punishes the very confidence in a *wrong* label's
opposite that we are after, and on digits with 10 % noise stopped 20 epochs early. When it stops,
`HeadTraining.has_ended` says (docs/estimators.md has the table).
No gradient clipping by norm and no batch statistics here: both would carry information from one
instance into parameters that its flipped side reads.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import torch
from torch import Tensor

from influence_core.errors import DataError
from influence_core.progress import Progress, ProgressFn
from influence_core.training.heads.checkpoint import HeadCheckpoint
from influence_core.training.heads.loop import HeadLoop, Loop
from influence_core.training.heads.types import HeadFit, HeadTraining, Rows, SoFar
from influence_core.turnover.head import HeadConfig


def check_rows(rows: Rows, config: HeadConfig) -> None:
    """Refuse rows that cannot be trained on, naming the first offender."""
    n = len(rows.features)
    if n == 0:
        raise DataError("There are no training rows left; keep at least one row of two classes.")
    if len(rows.labels) != n or len(rows.keys) != n:
        raise DataError(
            f"{n} feature rows, {len(rows.labels)} labels and {len(rows.keys)} keys do not fit "
            "together; encode the features of this data set again."
        )
    low, high = int(rows.labels.min()), int(rows.labels.max())
    if low < 0 or high >= config.classes:
        raise DataError(
            f"A training label is {low if low < 0 else high}, but the model knows the classes "
            f"0 to {config.classes - 1}; drop rows without a label or add the class."
        )


@torch.no_grad()
def fit_heads(  # noqa: PLR0913 - switches of one loop
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    watch: Callable[[Sequence[Tensor]], Mapping[str, float]] | None = None,
    loop: Loop | None = None,
    checkpoint: HeadCheckpoint | None = None,
) -> HeadFit:
    """Train G groups of E members on the rows.

    Args:
        rows: N rows; group g counts row i `weights[i, g]` times (0 leaves it out).
        config: shape and masks, the same for every group.
        training: epochs, batch size, learning rate, and the seed of the batch order.
        progress: called after every epoch with both sides' losses.
        cancel: set it to stop between two batches; `CancelledError` is raised.
        watch: given the parameters after every epoch (not for groups); figures for `progress`.
        loop: who makes the steps; a `HeadLoop` in this process by default.
        checkpoint: where whole epochs are kept, and where to go on from; `progress` hears of the
            epochs that are behind it again. The caller discards it.

    Returns:
        `HeadFit` with W1 (G·E, d, H), b1 (G·E, H), W2 (G·E, H, C), group-major.

    Raises:
        DataError: labels or lengths do not fit. ModelError: the loss is no longer finite.
    """
    check_rows(rows, config)
    if loop is None:
        loop = HeadLoop(rows, config, training)
    limit, n = training.most_epochs(len(rows.features)), len(rows.features)
    so_far = _resumed(loop, checkpoint)
    for behind, metrics in enumerate(so_far.shown, 1):
        if progress:
            progress(Progress("train", behind, limit, metrics=metrics))
    for epoch in range(len(so_far.shown) + 1, limit + 1):
        # Asked before the epoch, so that a training which was killed after its last one ends, too.
        if training.has_ended([stats.flipped_error for stats in so_far.history], n):
            break
        loop.epoch(cancel)
        metrics = {}
        if rows.groups == 1:
            stats = loop.probe(epoch)
            so_far.history.append(stats)
            metrics = {**asdict(stats), **(watch(loop.params) if watch and progress else {})}
        so_far.shown.append(metrics)
        if checkpoint and checkpoint.due():
            checkpoint.save(loop.state(), so_far)
        if progress:
            progress(Progress("train", epoch, limit, metrics=metrics))
    W1, b1, W2 = (param.clone() for param in loop.params)
    return HeadFit(W1, b1, W2, config, len(so_far.shown), tuple(so_far.history), loop.aum())


def _resumed(loop: Loop, checkpoint: HeadCheckpoint | None) -> SoFar:
    """Put the loop where the checkpoint left it, if there is something to go on from."""
    found = checkpoint.load() if checkpoint else None
    if found is None:
        return SoFar()
    state, so_far = found
    loop.restore(state)
    return so_far
