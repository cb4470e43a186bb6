"""*Verify*: retrain without the listed rows and look at the target.

Three arms: nothing removed, the listed rows removed, as many random rows of the same classes
removed. Each retraining has a start, masks and batch order of its own, and the three arms of one
retraining share all of them, so they differ by the data alone. The random rows are drawn again for
every retraining.

`smallest_flip` looks for the fewest rows from the top of a ranking without which the predicted
class changes, by doubling and then halving. Called by `workflow.explain.proof.prove`.
"""

import threading
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from influence_core.errors import DataError
from influence_core.evaluation.lds import Interval
from influence_core.evaluation.retrain import retrain, without
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.training.heads.types import HeadTraining, Rows
from influence_core.turnover.head import HeadConfig

F32 = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]

RETRAININGS = 10
VOTES = 5  # retrainings that decide on a size in the search
# Multiplications that one proof may cost: a few seconds on two cores (about 10^11 a second). More
# members make each retraining less noisy, so as many are taken as the budget has room for.
BUDGET = 3e11
ARMS = ("nothing", "listed", "random")


@dataclass(frozen=True)
class Proving:
    """What is retrained, and the one target that is watched, x (1, d)."""

    rows: Rows
    config: HeadConfig
    training: HeadTraining
    x: Tensor

    def seeded(self, number: int, members: int) -> "Proving":
        """The same job with the start, masks and order of one retraining."""
        config = replace(self.config, members=members, seed=self.config.seed + 7919 * number)
        return replace(
            self,
            config=config,
            training=replace(self.training, seed=self.training.seed + 7919 * number),
        )

    def members(self, fits: int) -> int:
        """How many members each of `fits` heads may have within the budget."""
        c = self.config
        epochs = self.training.epochs or self.training.max_epochs
        one = 2.0 * len(self.rows.labels) * c.width * (c.features + 2 * c.classes) * epochs
        return int(np.clip(BUDGET / (one * fits), 1, c.members))

    def proba(
        self,
        number: int,
        members: int,
        removed: list[Positions],
        cancel: threading.Event | None = None,
    ) -> F32:
        """Class probabilities (arms, C) after retraining without each list of rows."""
        job = self.seeded(number, members)
        rows = replace(job.rows, weights=without(len(job.rows.labels), removed))
        log_proba = retrain(rows, job.config, job.training, job.x, cancel=cancel)
        return np.exp(log_proba[:, :, 0]).mean(axis=1)


@dataclass(frozen=True)
class Proof:
    """Target probabilities (S, C) of S retrainings under each arm.

    `removed` are the positions that the listed arm lacks; `members` is how many members the mean
    of one retraining is taken over.
    """

    arms: dict[str, F32]
    removed: Positions
    members: int

    @property
    def retrainings(self) -> int:
        """How many times each arm was retrained."""
        return len(self.arms["nothing"])

    @property
    def flips(self) -> bool:
        """Whether most retrainings without the rows predict another class than is usual."""
        usual = np.bincount(self.arms["nothing"].argmax(axis=1)).argmax()
        return bool((self.arms["listed"].argmax(axis=1) != usual).mean() > 0.5)

    def predicted(self, arm: str, label: int) -> int:
        """In how many retrainings the arm predicts this class."""
        return int((self.arms[arm].argmax(axis=1) == label).sum())

    def probability(self, arm: str, label: int) -> Interval:
        """Mean probability of a class over retrainings, with its 95 % interval."""
        return Interval.of(self.arms[arm][:, label])

    def difference(self, label: int, against: str = "random") -> Interval:
        """Probability of a class, listed arm minus another, paired by retraining."""
        return Interval.of(self.arms["listed"][:, label] - self.arms[against][:, label])

    def sentence(self, label: int, name: str) -> str:
        """What was found, for people."""
        k, n = len(self.removed), self.retrainings
        rows = "this row" if k == 1 else f"these {k} rows"
        other = "a random one" if k == 1 else f"{k} random ones"
        return (
            f"Without {rows} the model says '{name}' in {self.predicted('listed', label)} of {n} "
            f"retrainings; without {other} in {self.predicted('random', label)} of {n}, with all "
            f"rows in {self.predicted('nothing', label)} of {n}."
        )


def prove(
    job: Proving,
    listed: Positions,
    *,
    retrainings: int = RETRAININGS,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Proof:
    """Retrain the three arms a number of times.

    Raises:
        DataError: no row is listed, one is listed twice, or too few rows would remain.
    """
    n = len(job.rows.labels)
    listed = _checked(listed, n)
    members = job.members(retrainings * len(ARMS))
    labels = job.rows.labels.cpu().numpy()
    seen = []
    for number in range(retrainings):
        check_cancel(cancel)
        random = random_like(labels, listed, seed=number)
        nobody = np.array([], dtype=np.int64)
        seen.append(job.proba(number, members, [nobody, listed, random], cancel=cancel))
        if progress:
            progress(Progress("prove", number + 1, retrainings))
    stacked = np.stack(seen, axis=1)  # (arms, S, C)
    return Proof(dict(zip(ARMS, stacked, strict=True)), listed, members)


def random_like(labels: npt.NDArray[np.int64], listed: Positions, seed: int) -> Positions:
    """As many other rows, of the same classes as far as there are any."""
    rng = np.random.default_rng((seed, 0x70726F6F))
    free = np.ones(len(labels), dtype=np.bool_)
    free[listed] = False
    chosen: list[Positions] = []
    for label, count in zip(*np.unique(labels[listed], return_counts=True), strict=True):
        pool = np.flatnonzero(free & (labels == label))
        chosen.append(rng.permutation(pool)[:count])
    drawn = np.concatenate(chosen)
    free[drawn] = False
    rest = rng.permutation(np.flatnonzero(free))[: len(listed) - len(drawn)]
    return np.concatenate([drawn, rest]).astype(np.int64)


@dataclass(frozen=True)
class Flip:
    """The search's result: sizes tried with the share that flipped, and the proof of the smallest.

    `proof` is None where no size that was tried changes the prediction.
    """

    tried: dict[int, float]
    smallest: int | None
    proof: Proof | None


def smallest_flip(
    job: Proving,
    ranking: Positions,
    *,
    search_retrainings: int = VOTES,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Flip:
    """The fewest rows from the top of the ranking whose removal changes the predicted class.

    Sizes double until most of a few retrainings predict another class than the same retrainings
    with all rows do most often; the gap is then narrowed by halving. Influence is no law, so a
    smaller set elsewhere may exist, and the answer is held against a full proof.

    Args:
        ranking: positions, strongest first; at most half of the rows are ever removed.
        search_retrainings: how many retrainings vote on each size.
    """
    n = len(job.rows.labels)
    ranking = _checked(ranking, n)[: n // 2]
    members = job.members(search_retrainings * 12)
    tried: dict[int, float] = {}
    rounds = int(np.ceil(np.log2(max(len(ranking), 2)))) + 2

    def votes(removed: Positions) -> npt.NDArray[np.int64]:
        """Predicted class of each search retraining without these rows, (S,)."""
        seen = [
            job.proba(number, members, [removed], cancel=cancel)[0].argmax()
            for number in range(search_retrainings)
        ]
        return np.array(seen)

    usual = np.bincount(votes(np.array([], dtype=np.int64))).argmax()

    def look(size: int) -> None:
        tried[size] = float((votes(ranking[:size]) != usual).mean())
        if progress:
            progress(Progress("search", min(len(tried), rounds), rounds, f"{size} rows"))

    low, size = 0, 1
    while True:
        check_cancel(cancel)
        size = min(size, len(ranking))
        look(size)
        if tried[size] > 0.5 or size == len(ranking):
            break
        low, size = size, size * 2
    if tried[size] <= 0.5:
        return Flip(dict(sorted(tried.items())), None, None)
    high = size
    while high - low > max(1, high // 16):
        check_cancel(cancel)
        middle = (low + high) // 2
        look(middle)
        low, high = (low, middle) if tried[middle] > 0.5 else (middle, high)
    proof = prove(job, ranking[:high], progress=progress, cancel=cancel)
    while not proof.flips and high < len(ranking):  # the search's few votes were too kind
        high = min(len(ranking), high + max(1, high // 4))
        proof = prove(job, ranking[:high], progress=progress, cancel=cancel)
    smallest = high if proof.flips else None
    return Flip(dict(sorted(tried.items())), smallest, proof if proof.flips else None)


def _checked(listed: Positions, rows: int) -> Positions:
    """Positions as they may be removed."""
    listed = np.asarray(listed, dtype=np.int64)
    if not len(listed):
        raise DataError("No row is listed; choose at least one row to leave out.")
    if len(np.unique(listed)) != len(listed):
        raise DataError("A row is listed twice; list each row once.")
    if listed.min() < 0 or listed.max() >= rows:
        raise DataError(f"Row {int(listed.max())} is not among the {rows} training rows.")
    return listed
