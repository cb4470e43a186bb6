"""Iterative cleansing: a small share at a time, with everything measured again in between.

Influence changes once the worst rows are gone, so one long list taken at once destroys the model
(20 % by one ranking cost 11 points where 10 % in rounds gained 5). After each round the turn-over
model is retrained on what is left and every row is scored again.

The items of the target split are cut in two: one part chooses rows, the other is held out and only
stops the rounds. Rows were chosen to suit the first part, so its own accuracy is optimistic.
This module is the schedule; training and scoring are the caller's.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.errors import DataError

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """How far to go.

    Attributes:
        step: share of the original rows a round drops.
        most: share after which it stops in any case.
        patience: rounds without improvement on the watching part; 0 goes on to `most`.
    """

    step: float = 0.02
    most: float = 0.10
    patience: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.step <= self.most <= 0.5:
            raise DataError(
                f"Rounds of {self.step:g} up to {self.most:g} cannot be done; the step must be "
                "above 0 and at most the total, the total at most 0.5."
            )


@dataclass(frozen=True)
class Measured:
    """One training on what is left: harm of each kept row, and the two parts' mean loss in nats."""

    harm: npt.NDArray[np.float32]  # (kept,), negative harms
    stderr: npt.NDArray[np.float32]
    choosing_loss: float
    watching_loss: float
    choosing_accuracy: float
    watching_accuracy: float


@dataclass(frozen=True)
class Round:
    """State before round `number` drops anything; round 0 is the whole set."""

    number: int
    removed: Positions  # (R,) in the order of removal
    scores: npt.NDArray[np.float32]  # (R,) harm of each when it went
    stderr: npt.NDArray[np.float32]
    measured: Measured


def rounds(
    rows: int, plan: Schedule, measure: Callable[[Positions, int], Measured]
) -> Iterator[Round]:
    """Yield each state, until the plan or the watching part says stop.

    Args:
        rows: N.
        measure: called with the kept positions, ascending, and the round's number.
    """
    removed = np.empty(0, dtype=np.int64)
    scores = np.empty(0, dtype=np.float32)
    errors = np.empty(0, dtype=np.float32)
    best, since = np.inf, 0
    number = 0
    while True:
        kept = np.setdiff1d(np.arange(rows), removed)
        measured = measure(kept, number)
        yield Round(number, removed, scores, errors, measured)
        better = measured.watching_loss < best
        best = min(best, measured.watching_loss)
        since = 0 if better else since + 1
        room = round(plan.most * rows) - len(removed)
        go = min(round(plan.step * rows), room)
        if go < 1 or (plan.patience and since >= plan.patience):
            return
        worst = np.argsort(measured.harm, kind="stable")[:go]
        worst = worst[measured.harm[worst] < 0]  # a row that helps is never dropped
        if not len(worst):
            return
        removed = np.concatenate([removed, kept[worst]])
        scores = np.concatenate([scores, measured.harm[worst]])
        errors = np.concatenate([errors, measured.stderr[worst]])
        number += 1


def best_round(seen: list[Round]) -> Round:
    """The round with the least loss on the watching part: the earliest of equals."""
    return min(seen, key=lambda r: (r.measured.watching_loss, r.number))


def cut_targets(items: int, watch: float = 0.3, seed: int = 0) -> tuple[Positions, Positions]:
    """Two parts of the items, ascending: one chooses rows, a share `watch` of all is held out.

    Raises:
        DataError: fewer than 20 items; the parts would say nothing.
    """
    if items < 20:
        raise DataError(
            f"The target split has only {items} labelled items; at least 20 are needed, so "
            "choose a larger split or a wider part of it."
        )
    order = np.random.default_rng(seed).permutation(items)
    cut = round(watch * items)
    return np.sort(order[cut:]), np.sort(order[:cut])
