"""What would become of an item without its listed rows: told before anyone retrains.

Only a replay of the run tells changes in nats. The interval comes from retrainings that were made
in any case (`workflow.evaluate.changes`). Called by `explain`, `prove` and the Errors page.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from influence_core.evaluation.change import Change, predicted_change
from influence_core.influence.base import NatsQuery, Query
from influence_core.influence.scan import Ranking
from influence_core.workflow.evaluate.changes import calibration_of
from influence_core.workflow.session import Session

__all__ = ["Change", "Effects", "effects_of", "expected_change", "sentence"]


@dataclass(frozen=True)
class Effects:
    """In nats: each member's log-probability of the label, and what listed rows did to its loss.

    Positive lowered it, as everywhere: `log_proba` (E,), `helpful` and `harmful` (E, k).
    """

    log_proba: npt.NDArray[np.float32]
    helpful: npt.NDArray[np.float32]
    harmful: npt.NDArray[np.float32]

    def of(self, side: str, count: int) -> npt.NDArray[np.float32]:
        """Those of the first `count` rows of a side, summed, (E,)."""
        return (self.helpful if side == "helpful" else self.harmful)[:, :count].sum(axis=1)


def effects_of(
    session: Session, features: torch.Tensor, label: int, query: Query, ranking: Ranking
) -> Effects | None:
    """Of the rows that a ranking lists for one item (d,); None where the query cannot tell."""
    head = session.evidence.head
    if not isinstance(query, NatsQuery) or head is None:
        return None
    sides = []
    for top in (ranking.helpful[0], ranking.harmful[0]):
        own = query.by_member(torch.from_numpy(top.positions))
        if own is None:
            return None
        sides.append(own[0].cpu().numpy())
    log_proba = head.logits(features[None])[:, 0].log_softmax(-1)[:, label]
    return Effects(log_proba.cpu().numpy(), *sides)


def expected_change(session: Session, effects: Effects, side: str, count: int) -> Change:
    """The item without the first `count` rows of a side."""
    own = effects.of(side, count)
    return predicted_change(effects.log_proba, own, calibration_of(session.run))


def sentence(change: Change, count: int, name: str) -> str:
    """For people; it says where the interval comes from, or that none is known."""
    rows = "this row" if count == 1 else f"these {count} rows"
    told = f"Without {rows}, '{name}' would go from {change.before:.2f} to about {change.after:.2f}"
    nats = f"its loss from {change.loss_before:.2f} to about {change.loss_after:.2f} nats"
    if change.half != change.half:  # NaN
        return (
            f"{told}, and {nats}. How far off that may be is not known yet: an evaluation of this "
            "run on Trust measures it, and so does every *Verify*."
        )
    return f"{told} (± {change.half:.2f}), and {nats} (± {change.loss_half:.2f})."
