"""The strongest scores of one side, exactly and always in the same order.

A ranking that a person acts on must not change from one run to the next, so equal scores are
ordered by position. Score and position are packed into one integer that sorts that way, which
lets a plain top-k (not a full sort) of any chunk be exact, and two chunks be merged by it. On the
CPU a compiled loop (`topk_numba`) does the same with one comparison for most scores.
Called by `scan` after every chunk and by code that merges rankings of several shards.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LOWEST = torch.iinfo(torch.int64).min
_LONG = 1_024  # places of a list; inserting into a longer one moves too much


@dataclass(frozen=True)
class Kept:
    """What a running top-k holds per target, strongest first: (T, m) each, m <= k.

    `rank` decides the order; entries at its lowest value are padding, not rows.
    """

    rank: Tensor  # int64
    positions: Tensor  # int64
    scores: Tensor
    stderr: Tensor

    @property
    def real(self) -> Tensor:
        """(T, m): which entries are rows of this side."""
        return self.rank > _LOWEST

    def best(self, k: int) -> "Kept":
        """The k first of these, in order."""
        order = self.rank.topk(min(k, self.rank.shape[1]), dim=1).indices
        parts = (self.rank, self.positions, self.scores, self.stderr)
        return Kept(*(part.gather(1, order) for part in parts))


def ranks(scores: Tensor, positions: Tensor, sign: float) -> Tensor:
    """One sortable int64 per score: larger |score| first, then the smaller position.

    Args:
        scores: (T, n) float32. positions: (n,) int64 below 2**32.
        sign: 1 for helpful, -1 for harmful. Scores of the other side, zeros and NaN get the
            lowest value.
    """
    side = scores.float() * sign
    # The bits of a positive float32, read as an integer, sort like the float.
    bits = side.view(torch.int32).long()
    packed = (bits << 32) | ((1 << 32) - 1 - positions)
    return torch.where(side > 0, packed, _LOWEST)


def strongest(
    scores: Tensor, stderr: Tensor, positions: Tensor, *, k: int, sign: float, kept: Kept | None
) -> Kept:
    """Merge a chunk of scores into what was kept before.

    Args:
        scores: (T, n) of the chunk. stderr: (T, n). positions: (n,).
        k: how many to keep. sign: see `ranks`. kept: of the chunks before, or None.
    """
    if scores.device.type == "cpu" and k <= _LONG:
        return _inserted(scores, stderr, positions, k, sign, kept)
    return _sorted(scores, stderr, positions, k, sign, kept)


def _inserted(
    scores: Tensor, stderr: Tensor, positions: Tensor, k: int, sign: float, kept: Kept | None
) -> Kept:
    """By the compiled loop: a list of k places, the last of which may be padding."""
    from influence_core.influence.kernels.topk import insert

    shape = len(scores), k
    rank, rows = np.full(shape, _LOWEST, np.int64), np.zeros(shape, np.int64)
    values, errors = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    if kept is not None:
        width = kept.rank.shape[1]
        rank[:, :width], rows[:, :width] = kept.rank.numpy(), kept.positions.numpy()
        values[:, :width], errors[:, :width] = kept.scores.numpy(), kept.stderr.numpy()
    one, error = scores.float().numpy(), stderr.float().numpy()
    insert(one, error, positions.numpy(), np.float32(sign), rank, (rows, values, errors))
    return Kept(*(torch.from_numpy(part) for part in (rank, rows, values, errors)))


def _sorted(
    scores: Tensor, stderr: Tensor, positions: Tensor, k: int, sign: float, kept: Kept | None
) -> Kept:
    """By tensor operations: other devices, and lists too long to be inserted into."""
    if scores.device.type == "cpu" and kept is not None and kept.rank.shape[1] == k:
        # Only rows that reach the weakest kept score of some target can enter a list. Elsewhere
        # the host would have to wait to learn how many do.
        least = torch.where(kept.real, kept.scores * sign, 0.0)[:, -1:]
        columns = (scores * sign >= least).any(0).nonzero()[:, 0]
        scores, stderr, positions = scores[:, columns], stderr[:, columns], positions[columns]
    rows = positions.expand(len(scores), -1)
    fresh = Kept(ranks(scores, positions, sign), rows, scores, stderr).best(k)
    return fresh if kept is None else merge(kept, fresh, k)


def merge(first: Kept, second: Kept, k: int) -> Kept:
    """The k strongest of both, as if their rows had been ranked together."""
    columns = ("rank", "positions", "scores", "stderr")
    return Kept(
        *(torch.cat([getattr(first, name), getattr(second, name)], 1) for name in columns)
    ).best(k)
