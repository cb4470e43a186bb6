"""When a label is said to look wrong: the rule of the chips on Errors, and of the verdict.

The model is sure of another class, most of the nearest rows carry that one, and hardly any carries
the label. Rarer than the flags of the desk, and more often right: `python -m benchmarks.doubt`
measures it on planted wrong labels and on those of a rater.
"""

from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd
import torch

from influence_core.workflow.review.nearest import Nearest, nearest_rows
from influence_core.workflow.review.scores import flagged_rows
from influence_core.workflow.session import Session

# So large a share of the nearest rows carries the other class, at most so large a share the label,
# and so sure is the model.
OTHERS, OWN, SURE = 0.7, 0.1, 0.95
_BLOCK = 512


def doubtful(near: Nearest, label: int | None, other: int, confidence: float) -> bool:
    """Whether the model and the nearest rows speak for the other class, against the label."""
    if label is None or label == other or not near.total or confidence < SURE:
        return False
    return near.of(other) >= OTHERS * near.total and near.of(label) <= OWN * near.total


def doubted_rows(session: Session, among: Collection[int] | None = None) -> frozenset[int]:
    """Keys of the training rows whose label looks wrong, whatever people have said of them.

    Args:
        among: keys of the rows that are asked about; all if None.
    """
    flags = flagged_rows(session.run)
    sure = flags[flags["p_suggested"] >= SURE]
    if among is not None:
        sure = sure[np.isin(sure["key"].to_numpy(), np.array(list(among), dtype=np.uint64))]
    blocks = [sure.iloc[at : at + _BLOCK] for at in range(0, len(sure), _BLOCK)]
    return frozenset(key for block in blocks for key in _doubted(session, block))


def _doubted(session: Session, rows: pd.DataFrame) -> Iterator[int]:
    at = session.project.dataset.train.positions_of(rows["key"].to_numpy())
    x = session.features.rows(torch.from_numpy(at))
    around = nearest_rows(session, x, at.tolist(), [[]] * len(at))
    columns = (rows[name].tolist() for name in ("key", "given", "suggested", "p_suggested"))
    for near, key, *said in zip(around, *columns, strict=True):
        if doubtful(near, *said):
            yield int(key)
