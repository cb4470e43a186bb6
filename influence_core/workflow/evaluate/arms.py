"""Retrain as things are, with rows changed, and beside random rows: what trials and Verify share.

The arms have the same starts, masks and batch order, so they differ by the data alone. The control
leaves out as many random rows of the same classes.
"""

import threading
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from influence_core.cleansing.choose import Selection, random_control
from influence_core.disk.checkpoint import Parts
from influence_core.evaluation.retrain import retrain
from influence_core.progress import ProgressFn
from influence_core.training.heads.types import Rows
from influence_core.workflow.evaluate.work import recipe
from influence_core.workflow.session import Session

RANDOM_DRAWS = 3


def retrained(  # noqa: PLR0913 - switches of one loop
    session: Session,
    change: Selection,
    x: torch.Tensor,
    *,
    seeds: int,
    draws: int = RANDOM_DRAWS,
    parts: Parts | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> npt.NDArray[np.float32]:
    """Class log-probabilities (2 + `draws`, S, T, C): all rows, changed, random draws.

    Args:
        change: what is removed and relabelled.
        x: (T, d) standardised features of the items.
        seeds: S, heads with a start and masks of their own.
        draws: of random rows.
        parts: where finished arms are kept.
    """
    weights, labels = _arms(session, change, draws)
    rows = Rows(session.features, labels, session.evidence.keys, weights)
    # Members are the seeds; another mask seed than the run's, which chose the rows.
    own = recipe(session)
    config = replace(own.config, members=seeds, seed=own.config.seed + 1)
    return retrain(rows, config, own.training, x, parts=parts, progress=progress, cancel=cancel)


def _arms(session: Session, change: Selection, draws: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights and labels (N, 2 + draws): nothing, changed, then the random controls."""
    given = session.evidence.labels.cpu()
    count = len(given)
    weights = torch.ones(count, 2 + draws)
    labels = given[:, None].repeat(1, 2 + draws)
    weights[torch.from_numpy(change.removed), 1] = 0
    for position, label in change.relabelled.items():
        labels[position, 1] = label
    for draw in range(draws):
        control = random_control(given.numpy(), change, seed=draw)
        weights[torch.from_numpy(control), 2 + draw] = 0
    return weights, labels
