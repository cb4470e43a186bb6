"""The score of one row, whether or not a list shows it. Called by the comparison on Errors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from influence_core.workflow.explain.explain import ExplainOptions, query_of
from influence_core.workflow.explain.items import Item, asked_label
from influence_core.workflow.session import Session


@dataclass(frozen=True)
class RowScore:
    """Influence of one row on an item: positive helped; `stderr` is NaN if there is none."""

    label: int  # whose loss was asked about
    score: float
    stderr: float


def score_of(
    session: Session,
    item: Item,
    options: ExplainOptions,
    position: int,
    known: npt.NDArray[np.float32] | None = None,
) -> RowScore:
    """Influence on the item of the training row at `position`.

    `known` are the scores of all rows (N,), if an earlier answer has kept them.
    """
    label = asked_label(item, options.toward)
    if known is not None:
        return RowScore(label, float(known[position]), float("nan"))
    targets = session.targets(item.features[None], torch.tensor([label]), item.proba)
    query = query_of(session, item, options.of_run(session).estimator, targets)
    out = query.scores(slice(position, position + 1))
    error = float("nan") if out.stderr is None else float(out.stderr[0, 0])
    return RowScore(label, float(out.scores[0, 0]), error)
