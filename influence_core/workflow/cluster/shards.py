"""Scan a part of the rows as if it were all, and join the rankings of the parts.

A shard is a range of training rows. Each is ranked by itself, wherever that may be, and only its k
strongest rows travel; joined, they are what one scan over all rows gives, ties included.
Called by `workflow.cluster`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from influence_core.influence.base import Query, Scores
from influence_core.influence.scan import CHUNK, Ranking, Top


@dataclass(frozen=True)
class ShardQuery:
    """A query whose row 0 is row `offset` of the whole."""

    query: Query
    offset: int

    def scores(self, rows: slice) -> Scores:
        """Influence of the shard's rows[start:stop]."""
        return self.query.scores(slice(self.offset + rows.start, self.offset + rows.stop))


def shards(rows: int, size: int) -> list[slice]:
    """Consecutive ranges of about `size` rows, cut at whole chunks so that products stay alike."""
    step = max(1, round(size / CHUNK)) * CHUNK
    return [slice(start, min(start + step, rows)) for start in range(0, rows, step)]


def moved(ranking: Ranking, offset: int) -> Ranking:
    """The ranking of a shard with positions in the whole."""

    def lists(tops: tuple[Top, ...]) -> tuple[Top, ...]:
        return tuple(Top(top.positions + offset, top.scores, top.stderr) for top in tops)

    return Ranking(
        lists(ranking.helpful),
        lists(ranking.harmful),
        ranking.scored,
        ranking.total,
        ranking.milliseconds,
    )


def joined(parts: Sequence[Ranking], k: int, total: int, milliseconds: float) -> Ranking:
    """The k strongest of all parts; equal scores are ordered by position, as in one scan."""
    scored = sum(part.scored for part in parts)
    helpful = zip(*(part.helpful for part in parts if part.scored), strict=True)
    harmful = zip(*(part.harmful for part in parts if part.scored), strict=True)
    return Ranking(
        tuple(_strongest(tops, k) for tops in helpful),
        tuple(_strongest(tops, k) for tops in harmful),
        scored,
        total,
        milliseconds,
    )


def _strongest(tops: Sequence[Top], k: int) -> Top:
    positions, scores, stderr = (
        np.concatenate([getattr(top, name) for top in tops])
        for name in ("positions", "scores", "stderr")
    )
    order = np.lexsort((positions, -np.abs(scores)))[:k]
    return Top(positions[order], scores[order], stderr[order])
