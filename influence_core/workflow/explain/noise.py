"""Which rows of an explanation stand out from the noise of the masks.

Only the turn-over estimator has such a null: keys that were never trained on give scores that are
noise and nothing else (`influence.significance`). Called by the Errors page and `explain`.
"""

from dataclasses import dataclass

import numpy as np
import torch

from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.significance import significance
from influence_core.workflow.explain.explain import Explanation, explain
from influence_core.workflow.session import Session


@dataclass(frozen=True)
class NoiseCheck:
    """Keys beyond noise at the false-discovery rate, p-values of listed rows, and a sentence."""

    beyond: frozenset[int]
    p_values: dict[int, float]
    sentence: str


def has_null(session: Session, answer: Explanation) -> bool:
    """Whether the answer's estimator has a null on this run."""
    return answer.options.estimator == TURNOVER.name and session.evidence.head is not None


def check_noise(session: Session, answer: Explanation) -> NoiseCheck | None:
    """Compare an explanation with its null; None if its estimator has none."""
    if not has_null(session, answer):
        return None
    targets = session.targets(answer.item.features[None], torch.tensor([answer.label]))
    kept = answer.scores
    if kept is None:
        kept = explain(session, answer.item, answer.options, keep=True).scores
    if kept is None:
        return None
    found = significance(session.evidence, targets, kept[None])
    train = session.project.dataset.train
    listed = np.concatenate([answer.helpful["key"].to_numpy(), answer.harmful["key"].to_numpy()])
    places = train.positions_of(listed.astype(np.uint64))
    return NoiseCheck(
        frozenset(int(k) for k in train.keys[found.beyond[0]]),
        {int(k): float(found.p_values[0, i]) for k, i in zip(listed, places, strict=True)},
        found.sentence(0),
    )
