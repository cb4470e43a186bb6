"""The strongest scores of one side, exactly and always in the same order.

A ranking that a person acts on must not change from one run to the next, so equal scores are
ordered by position. Score and position are packed into one integer that sorts that way, which
lets a plain top-k (not a full sort) of any chunk be exact, and two chunks be merged by it.
Called by `scan` after every chunk and by whoever merges rankings of several shards.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LOWEST = torch.iinfo(torch.int64).min
_FEW = 4  # times k


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
    if kept is not None and kept.rank.shape[1] == k:
        # Only rows that reach the weakest kept score of some target can enter a list.
        least = torch.where(kept.real, kept.scores * sign, 0.0)[:, -1:]
        columns = _reaching(scores, sign * least, sign)
        scores, stderr, positions = scores[:, columns], stderr[:, columns], positions[columns]
    fresh = Kept(ranks(scores, positions, sign), positions.expand(len(scores), -1), scores, stderr)
    if kept is None:
        return fresh.best(k)
    # A few are sorted in with what was kept; many are cut down first, so that little is copied.
    return merge(kept, fresh.best(k) if len(positions) > _FEW * k else fresh, k)


def _reaching(scores: Tensor, least: Tensor, sign: float) -> Tensor:
    """Columns of (T, n) scores that reach the weakest kept one (T, 1) of some target."""
    if len(scores) == 1 and scores.device.type == "cpu":
        # NumPy finds them in a tenth of the time, and this is most of a single scan's overhead.
        one, bound = scores[0].numpy(), float(least)
        return torch.from_numpy(np.flatnonzero(one >= bound if sign > 0 else one <= bound))
    reach = scores >= least if sign > 0 else scores <= least
    return reach.any(0).nonzero()[:, 0]


def merge(first: Kept, second: Kept, k: int) -> Kept:
    """The k strongest of both, as if their rows had been ranked together."""
    columns = ("rank", "positions", "scores", "stderr")
    return Kept(
        *(torch.cat([getattr(first, name), getattr(second, name)], 1) for name in columns)
    ).best(k)
