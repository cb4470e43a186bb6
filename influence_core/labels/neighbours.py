"""Nearest neighbours among the training rows: whether their labels agree.

Cosine similarity of standardised encoder features. Rows are compared block by block, so memory is
one block of similarities; from `SAMPLE` rows on they are compared with a seeded sample of that
size, which keeps the time linear in N and says the same about a row's neighbourhood.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.models.device import to_host
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.training.heads.types import Features

SAMPLE = 20_000
NEIGHBOURS = 10
# A label none of whose rows is among this share of the most similar ones has none that looks alike.
CLOSE = 0.05
_BLOCK = 1024


@torch.no_grad()
def nearest(
    features: Features,
    rows: int,
    k: int = NEIGHBOURS,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """The k most similar other rows of every row.

    Args:
        features: standardised, of `rows` rows.
        rows: N.
        k: neighbours; fewer if there are fewer other rows.
        progress, cancel: as everywhere.

    Returns:
        Positions (N, k) and cosine similarities (N, k), most similar first.
    """
    pool = _pool(rows)
    base = torch.cat([_unit(features.rows(part)) for part in pool.split(_BLOCK)])  # (M, d)
    k = max(0, min(k, len(pool) - 1))
    positions = np.empty((rows, k), dtype=np.int64)
    similarity = np.empty((rows, k), dtype=np.float32)
    places = pool.to(base.device)
    for start in range(0, rows, _BLOCK):
        check_cancel(cancel)
        index = torch.arange(start, min(start + _BLOCK, rows))
        alike = _unit(features.rows(index)) @ base.T  # (B, M)
        own = torch.arange(start, start + len(index), device=base.device)[:, None] == places
        top = alike.masked_fill_(own, -2.0).topk(k, dim=1)  # a row is no neighbour of its own
        part = slice(start, start + len(index))
        positions[part], similarity[part] = to_host(places[top.indices], top.values)
        if progress:
            progress(Progress("neighbours", int(index[-1]) + 1, rows))
    return positions, similarity


def neighbour_agreement(
    labels: npt.NDArray[np.int64], positions: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Share of neighbours (N, k) that carry the row's label, (N,); NaN where there are none."""
    if positions.shape[1] == 0:
        return np.full(len(labels), np.nan, np.float32)
    return (labels[positions] == labels[:, None]).mean(1).astype(np.float32)


@dataclass(frozen=True)
class Alike:
    """How alike any rows are to the training rows, or to a sample of them.

    Attributes:
        pool: positions (M,) of the training rows that are compared with.
        similarity: cosines (T, M); -2 where a row meets itself.
    """

    pool: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]

    def top(
        self, number: int, k: int = NEIGHBOURS, among: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Positions and cosines of the k most similar rows, most similar first.

        Args:
            number: which of the T rows.
            k: at most.
            among: (N,) training rows that may be named; all of them if None.
        """
        own = self.similarity[number]
        may = own > -2.0
        if among is not None:
            may &= among[self.pool]
        places = np.flatnonzero(may)
        if len(places) > k > 0:  # those that are as alike as the last stay for the sort
            places = places[own[places] >= np.partition(own[places], -k)[-k]]
        best = places[np.argsort(-own[places], kind="stable")[:k]]
        return self.pool[best], own[best]

    def close(self, number: int) -> float:
        """The cosine from which on a row counts as alike: that of the nearest `CLOSE` of all."""
        own = self.similarity[number]
        return float(np.quantile(own[own > -2.0], 1.0 - CLOSE)) if (own > -2.0).any() else 1.0


@torch.no_grad()
def alike(features: Features, rows: int, x: Tensor, own: Sequence[int]) -> Alike:
    """Compare rows, of the training set or not, with the training rows.

    Args:
        features: standardised, of `rows` training rows.
        rows: N.
        x: (T, d) in the same standardisation.
        own: (T,) the position of each among the training rows, which it is not compared with; -1
            for one that is none of them.
    """
    pool = _pool(rows)
    wanted = _unit(x)
    found = [(wanted @ _unit(features.rows(part)).T).cpu() for part in pool.split(_BLOCK)]
    similarity = torch.cat(found, dim=1).numpy()  # (T, M)
    positions = pool.numpy()
    for number, position in enumerate(own):
        similarity[number, positions == position] = -2.0
    return Alike(positions, similarity)


def _pool(rows: int) -> Tensor:
    if rows <= SAMPLE:
        return torch.arange(rows)
    chosen = np.random.default_rng(0x6E65).choice(rows, SAMPLE, replace=False)
    return torch.from_numpy(np.sort(chosen))


def _unit(h: Tensor) -> Tensor:
    return h / h.norm(dim=1, keepdim=True).clamp_min(1e-12)
