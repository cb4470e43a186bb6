"""Null control: does the significance test keep its word on this very run?

Keys that were never trained on are put through the whole procedure as if they were rows. Whatever
it calls *beyond noise* is wrong by construction, and by the rate promised at most that share of
targets may show any. Beside it: how much wider the real rows' scores are than the null, for where
the ratio is one the turn-over scores of single rows are noise and nothing else.
"""

from dataclasses import dataclass, replace

import numpy as np

from influence_core.influence.base import Evidence, Targets
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.significance import NULL_KEYS, RATE, fresh_keys, significance
from influence_core.turnover.masks import as_keys

ROWS = 2000  # fresh keys that play rows


@dataclass(frozen=True)
class NullControl:
    """What the procedure did with keys that cannot matter, and with the real rows.

    Attributes:
        targets: how many were looked at.
        false_alarms: share of targets for which any fresh key was called; at most `rate` is due.
        allowed: the rate plus twice its binomial error, the check's threshold.
        calls: mean number of real rows called per target.
        signal: mean variance of real rows' scores over that of the null; 1 is pure noise.
    """

    targets: int
    false_alarms: float
    allowed: float
    calls: float
    signal: float

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return self.false_alarms <= self.allowed


def null_control(
    evidence: Evidence, targets: Targets, *, rate: float = RATE, keys: int = NULL_KEYS
) -> NullControl:
    """Run the significance test on fresh keys and on the real rows.

    Raises:
        ModelError: the run has no head.
    """
    taken = evidence.keys.cpu().numpy().view(np.uint64)
    played = as_keys(fresh_keys(ROWS, taken, seed=1)).to(evidence.keys.device)
    fake = replace(evidence, keys=played)
    fake_scores = TURNOVER.prepare(fake).query(targets).scores(slice(0, ROWS)).scores
    alarms = significance(fake, targets, fake_scores.cpu().numpy(), rate=rate, keys=keys, seed=2)
    scores = TURNOVER.prepare(evidence).query(targets).scores(slice(0, len(evidence))).scores
    real = scores.cpu().numpy()
    found = significance(evidence, targets, real, rate=rate, keys=keys, seed=2)
    count = len(targets)
    return NullControl(
        targets=count,
        false_alarms=float(alarms.beyond.any(axis=1).mean()),
        allowed=rate + 2.0 * float(np.sqrt(rate * (1 - rate) / count)),
        calls=float(found.beyond.sum(axis=1).mean()),
        # A run that learned nothing has neither noise nor signal.
        signal=float((real.var(axis=1) / np.maximum(found.noise**2, 1e-300)).mean()),
    )
