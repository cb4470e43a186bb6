"""Planted noise: flip some labels on purpose and see which label-quality column finds them.

The head is trained again on the spoiled labels, and every column is held against the list of what
was flipped: average precision (of the flipped among the most suspicious) and AUC. Rows that were
wrong before count as right, so a set with real noise marks all columns down alike. Pure;
`workflow.evaluate` and the benchmarks call it.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from influence_core.errors import DataError
from influence_core.influence.base import HeadWeights
from influence_core.influence.sides import both_sides
from influence_core.progress import ProgressFn
from influence_core.training.heads.fit import fit_heads
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Quality:
    """How well a column ranks the planted rows: both in [0, 1], higher is better."""

    average_precision: float
    auc: float


def flip_labels(
    labels: npt.NDArray[np.int64], classes: int, share: float, seed: int = 0
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Move a share of the labels to another class, each other class as likely.

    Returns:
        The new labels, and which were flipped; (N,) each.

    Raises:
        DataError: the share leaves nothing to flip or nothing to compare with.
    """
    count = round(share * len(labels))
    if not 0 < count < len(labels) or classes < 2:
        raise DataError(
            f"{share:.1%} of {len(labels)} rows in {classes} classes cannot be flipped and "
            "compared; choose a share between one row and all rows."
        )
    rng = np.random.default_rng((seed, 0x706C616E))
    chosen = rng.permutation(len(labels))[:count]
    spoiled = labels.copy()
    spoiled[chosen] = (spoiled[chosen] + rng.integers(1, classes, count)) % classes
    return spoiled, spoiled != labels


def quality_of(suspicion: Array, planted: npt.NDArray[np.bool_]) -> Quality:
    """Mark one column, the more suspicious the higher, (N,)."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    return Quality(
        float(average_precision_score(planted, suspicion)),
        float(roc_auc_score(planted, suspicion)),
    )


def suspicions(
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, Array]:
    """Train once and read every column, each turned so that high means suspicious, (N,).

    `flipped` 1 − flipped-side probability of the label, `self_influence`, `learned` 1 −
    learned-side probability, and `aum`, minus the mean in-sample margin over epochs (Pleiss
    et al. 2020).
    """
    fit = fit_heads(rows, config, training, progress=progress, cancel=cancel)
    head = HeadWeights(fit.W1, fit.b1, fit.W2, config)
    sides = both_sides(rows.features, rows.labels, rows.keys, head, cancel=cancel)
    labels = rows.labels.cpu().numpy()
    index = np.arange(len(labels))
    columns = {
        "flipped": 1.0 - sides.flipped[index, labels].astype(np.float64),
        "learned": 1.0 - sides.learned[index, labels].astype(np.float64),
        "self_influence": sides.self_influence.astype(np.float64),
    }
    if fit.aum is not None:
        columns["aum"] = -fit.aum.astype(np.float64)
    return columns


def planted_noise(
    rows: Rows,
    config: HeadConfig,
    training: HeadTraining,
    *,
    share: float = 0.1,
    seed: int = 0,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Mapping[str, Quality]:
    """Flip `share` of the labels, train once, and mark every column."""
    labels = rows.labels.cpu().numpy()
    spoiled, planted = flip_labels(labels, config.classes, share, seed)
    noisy = replace(rows, labels=torch.from_numpy(spoiled))
    columns = suspicions(noisy, config, training, progress=progress, cancel=cancel)
    return {name: quality_of(column, planted) for name, column in columns.items()}
