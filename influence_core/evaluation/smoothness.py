"""Smoothness: does the derivative of a loss tell what a small change of all row weights does to it?

Replay is a derivative of the training by the weights of its rows. Where training is jagged (Adam
with a tiny eps follows the sign of tiny gradients) that derivative is exact and yet says nothing.
So every row is weighted up or down a little at random, the run is trained again, and the change of
each loss is held against what the derivative says (after metasmoothness, Engstrom et al. 2025,
arXiv 2503.13751, which looks at parameters). Pure; `workflow.evaluate.same` retrains.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]
STEP = 0.1  # by how much each row counts more or less; together as much as dropping 1 % of them
DIRECTIONS = 8
ENOUGH = 0.9  # correlation from which replay can be believed


def nudged(rows: int, seed: int, directions: int = DIRECTIONS) -> Tensor:
    """Row weights (N, D) of 1 ± `STEP`, the sign by chance."""
    rng = np.random.default_rng((seed, 0x736D6F6F))
    signs = rng.choice([-1.0, 1.0], size=(rows, directions))
    return torch.from_numpy(1.0 + STEP * signs)


def smoothness(predicted: npt.NDArray[np.floating], actual: npt.NDArray[np.floating]) -> Array:
    """Correlation of predicted and actual change, (T,) from (T, D); NaN if constant.

    Args:
        predicted: by the derivative, up to a factor and a constant of each target.
        actual: the retrained losses, likewise.
    """
    a = predicted - predicted.mean(axis=1, keepdims=True)
    b = actual - actual.mean(axis=1, keepdims=True)
    size = np.sqrt((a**2).sum(1) * (b**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(1) / size, np.float64)
