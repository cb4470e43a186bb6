"""From scores in nats to what people ask: how probable is the label without these rows?

A row's score for one member's loss is first order. The change is carried through each member's
log-odds of the label, which move more evenly than its loss (d loss = −(1 − p) · d log-odds) and
keep a probability between 0 and 1; the model's probability is the mean over members.

How far this can be believed is measured, not assumed: `calibrate` holds predicted changes against
retrainings of the same model. Pure; called by `workflow.evaluate.same` and `workflow.explain`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]
FEWEST = 5  # retrainings below which nothing is said about the error
_ODDS = 30.0  # log-odds beyond which a probability is 0 or 1


@dataclass(frozen=True)
class Calibration:
    """What retrainings showed: actual = `slope` × predicted change of the loss, in nats.

    `error` is half the width of a 95 % interval of one more such slope.
    """

    slope: float
    error: float
    count: int


UNCHECKED = Calibration(1.0, float("nan"), 0)


def calibrate(predicted: Array, actual: Array) -> Calibration:
    """The slope through the origin, and how far single changes lie from it, both (n,).

    `UNCHECKED` for fewer than `FEWEST` retrainings, or where they contradict the prediction.
    """
    a, b = np.asarray(predicted, np.float64), np.asarray(actual, np.float64)
    known = np.isfinite(a) & np.isfinite(b)
    a, b, n = a[known], b[known], int(known.sum())
    size = float(a @ a)
    if n < FEWEST or not size:
        return UNCHECKED
    slope = float(a @ b) / size
    spread = float(np.sqrt(((b - slope * a) ** 2).sum() / (n - 1) * n / size))
    if slope <= 0:
        return UNCHECKED
    from scipy.stats import t as student  # takes a second, and most questions do without

    return Calibration(slope, float(student.ppf(0.975, n - 1)) * spread * (1 + 1 / n) ** 0.5, n)


@dataclass(frozen=True)
class Change:
    """Probability of a label and its loss in nats, with all rows and without some.

    The halves are those of 95 % intervals, NaN where no retraining has told.
    """

    before: float
    after: float
    half: float
    loss_before: float
    loss_after: float
    loss_half: float

    @property
    def rise(self) -> float:
        """Of the loss."""
        return self.loss_after - self.loss_before


def predicted_change(
    log_proba: Array, effects: Array, calibration: Calibration = UNCHECKED
) -> Change:
    """What leaving rows out would do.

    Args:
        log_proba: (E,) of the label, each member's own.
        effects: (E,) the rows' summed scores for each member's loss; positive lowered it.
    """
    log_proba = np.asarray(log_proba, np.float64)
    rest = np.maximum(-np.expm1(log_proba), np.exp(-_ODDS))  # 1 − p
    odds = log_proba - np.log(rest)

    def moved(slope: float) -> tuple[float, float]:
        without = np.clip(odds - slope * np.asarray(effects, np.float64) / rest, -_ODDS, _ODDS)
        loss = np.logaddexp(0.0, -without)
        return float(np.exp(-loss).mean()), float(loss.mean())

    after, loss_after = moved(calibration.slope)
    half = loss_half = float("nan")
    if calibration.count:
        low, high = (moved(calibration.slope + sign * calibration.error) for sign in (-1, 1))
        half, loss_half = abs(high[0] - low[0]) / 2, abs(high[1] - low[1]) / 2
    before, loss_before = float(np.exp(log_proba).mean()), float(-log_proba.mean())
    return Change(before, after, half, loss_before, loss_after, loss_half)
