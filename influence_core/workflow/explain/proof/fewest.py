"""How strongly rows hold a prediction once others are gone: replay of a training without them.

For the adaptive search of the fewest rows (`evaluation.adaptive`), called by `prove`.
"""

import threading
from dataclasses import replace

import numpy as np
import torch

from influence_core.evaluation.adaptive import Strengths
from influence_core.influence.base import LongQuery
from influence_core.influence.estimators.replay import prepare
from influence_core.workflow.explain.explain import Among, candidates
from influence_core.workflow.explain.items import Item
from influence_core.workflow.session import Session


def replayed_strengths(
    session: Session,
    item: Item,
    label: int,
    side: str,
    among: Among,
    cancel: threading.Event | None = None,
) -> Strengths:
    """Scores for the loss of `label`, turned so that the rows to leave out come first.

    Each call trains this very model again without the rows that are gone and goes back through that
    training. Rows that are not among those asked about have 0.
    """
    rows = len(session.evidence)
    allowed = candidates(session, item, among)
    kept = torch.ones(rows) if allowed is None else torch.zeros(rows).index_fill(0, allowed, 1.0)
    sign = 1.0 if side == "helpful" else -1.0
    targets = session.targets(item.features[None], torch.tensor([label]))

    def strengths(gone: np.ndarray) -> np.ndarray:
        weights = torch.ones(rows, 1)
        weights[torch.from_numpy(gone)] = 0.0
        query = prepare(replace(session.evidence, weights=weights)).query(targets)
        if isinstance(query, LongQuery):
            query.run(None, cancel)
        found = query.scores(slice(0, rows)).scores[0].cpu()
        return (sign * found * kept).numpy()

    return strengths
