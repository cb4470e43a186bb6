"""Both sides of every training row, on the row itself.

The flipped side's class probabilities are out-of-sample for each row from one training run: what
label quality and the ridge estimator read. The gap between the two sides' losses on the row itself
is its self-influence I(z_i, z_i) (Kobayashi et al. 2020): how much the model has memorised it.
"""

import threading
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.influence.base import HeadWeights
from influence_core.influence.estimators.turnover import standard_error
from influence_core.models.device import in_chunks, to_host
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.training.heads.steps import both_proba
from influence_core.training.heads.types import Features

_CHUNK = 1024
_FLOOR = 1e-12


@dataclass(frozen=True)
class Sides:
    """Per training row: probabilities of both sides (mean over members) and self-influence."""

    flipped: npt.NDArray[np.float32]  # (N, C)
    learned: npt.NDArray[np.float32]  # (N, C)
    self_influence: npt.NDArray[np.float32]  # (N,) mean over members, in nats
    stderr: npt.NDArray[np.float32]  # (N,) NaN for a single member


@torch.no_grad()
def both_sides(
    features: Features,
    labels: Tensor,
    keys: Tensor,
    head: HeadWeights,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Sides:
    """Run every row through its own learned and flipped sub-networks, in chunks.

    Args:
        features: N standardised rows. labels, keys: (N,). head: the trained members.
    """
    n = len(labels)
    classes = head.W2.shape[-1]
    flipped = np.empty((n, classes), dtype=np.float32)
    learned = np.empty((n, classes), dtype=np.float32)
    gap = np.empty(n, dtype=np.float32)
    error = np.empty(n, dtype=np.float32)
    params = (head.W1, head.b1, head.W2)

    def run(part: slice) -> None:
        check_cancel(cancel)
        index = torch.arange(part.start, part.stop)
        inside, outside = both_proba(
            features.rows(index), keys[part].to(head.W1.device), params, head.config
        )  # (E, B, C) each
        own = labels[part].to(inside.device).expand(len(inside), -1)[..., None]
        gaps = (
            inside.gather(2, own).clamp_min(_FLOOR).log()
            - outside.gather(2, own).clamp_min(_FLOOR).log()
        )[..., 0]  # (E, B): flipped loss − learned loss
        flipped[part], learned[part], gap[part], error[part] = to_host(
            outside.mean(0), inside.mean(0), gaps.mean(0), standard_error(gaps)
        )
        if progress:
            progress(Progress("sides", part.stop, n))

    in_chunks(run, n, _CHUNK, lower="the head's width or members")
    return Sides(flipped, learned, gap, error)
