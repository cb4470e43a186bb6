"""The loss on held-out items after every epoch, for the learning curves; it decides nothing.

`train` hands `held_out` to the training loop. Beside the learned and the flipped side's losses it
shows whether the flipped side, which needs no held-out data, tells the same story.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from influence_core.influence.base import HeadWeights
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.turnover.head import HeadConfig

ITEMS = 1_000  # at most, evenly spaced: a look must stay cheap beside the epoch


def held_out(
    project: Project, features: Standardised, config: HeadConfig
) -> Callable[[Sequence[Tensor]], Mapping[str, float]] | None:
    """A function of W1 (E, d, H), b1 (E, H), W2 (E, H, C) that gives the loss in nats by name.

    The name is "test_loss", or "valid_loss" without a test split; None if neither has labels.
    """
    for name in ("test", "valid"):
        split = project.dataset.splits.get(name)
        labels = np.array([]) if split is None else np.asarray(split.labels)
        known = np.flatnonzero(labels >= 0)
        if len(known):
            break
    else:
        return None
    chosen = known[np.linspace(0, len(known) - 1, min(len(known), ITEMS)).astype(np.int64)]
    device = features.mean.device
    raw = project.features(name)
    x = Standardised.using(raw, features.mean, features.scale, device).rows(
        torch.from_numpy(chosen)
    )
    y = torch.from_numpy(labels[chosen].astype(np.int64)).to(device)

    def losses(parameters: Sequence[Tensor]) -> Mapping[str, float]:
        W1, b1, W2 = parameters
        own = HeadWeights(W1, b1, W2, config).proba(x).gather(1, y[:, None])
        return {f"{name}_loss": float(-own.clamp_min(1e-12).log().mean())}

    return losses
