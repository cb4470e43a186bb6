"""What the table is held against, line by line: met or missed, with the figures.

Three promises: limits for our own estimators on digits, the ridge's share of the noise ceiling on
project features, and the default estimator against the best peer of the same table, in accuracy
and in cost. Pure functions on what was measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.process import Measured
from influence_core.evaluation.lds import Interval

DEFAULT = "flipped-ridge"
LEAN_RUN = "flipped-ridge, lean run of 8 x 32"
# LDS on digits, misclassified and random targets.
DIGITS = {
    "turnover 16 x 256": (0.22, 0.28),
    "turnover 16 x 1024": (0.32, 0.37),
    DEFAULT: (0.60, 0.66),
}
CEILING_SHARE = 0.85
COST_SHARE = 0.1
KINDS = ("misclassified", "random")


@dataclass(frozen=True)
class Line:
    """A method in the table: its LDS per target (T,) and its cost, or a note that says why not.

    `same` (shares, T) is that of the other question, without 1 % and 10 % of the rows.
    """

    name: str
    peer: bool
    lds: np.ndarray | None
    cost: Measured | None
    note: str = ""
    same: np.ndarray | None = None

    def interval(self, part: slice) -> Interval:
        """Mean over some targets with its 95 % interval."""
        return Interval.of(np.array([]) if self.lds is None else self.lds[part])


def parts(wrong: int) -> dict[str, slice]:
    """Which targets are misclassified and which random."""
    return dict(zip(KINDS, (slice(0, wrong), slice(wrong, None)), strict=True))


def word(met: bool) -> str:
    return "met" if met else "**missed**"


def digits_limits(lines: Sequence[Line], wrong: int) -> list[str]:
    """Our own limits on digits."""
    out = []
    by_name = {line.name: line for line in lines}
    for name, limits in DIGITS.items():
        for (kind, part), limit in zip(parts(wrong).items(), limits, strict=True):
            found = by_name[name].interval(part)
            out.append(f"{name}, {kind}: {found}, at least {limit}: {word(found.mean >= limit)}")
    return out


def ceiling_share(line: Line, ceiling: np.ndarray, wrong: int) -> list[str]:
    """The ridge as a share of the noise ceiling."""
    out = []
    for kind, part in parts(wrong).items():
        share = line.interval(part).mean / Interval.of(ceiling[part]).mean
        out.append(
            f"{line.name}, {kind}: {share:.2f} of the noise ceiling, at least {CEILING_SHARE}: "
            f"{word(share >= CEILING_SHARE)}"
        )
    return out


def against_peers(mine: Line, lines: Sequence[Line], wrong: int) -> list[str]:
    """The default estimator against the best peer of each kind of target; empty without peers."""
    out: list[str] = []
    rivals = [line for line in lines if line.peer and line.lds is not None]
    for kind, part in parts(wrong).items():
        if not rivals or mine.lds is None or mine.cost is None:
            break
        best = max(rivals, key=lambda line: line.interval(part).mean)
        assert best.lds is not None and best.cost is not None
        gap = Interval.of(mine.lds[part] - best.lds[part])
        out.append(
            f"{mine.name}, {kind}: {mine.interval(part)} against {best.name} "
            f"{best.interval(part)}; difference {gap}, not below zero within its interval: "
            f"{word(gap.mean + gap.half >= 0)}"
        )
        total = mine.cost.total / best.cost.total
        beyond = (mine.cost.setup + mine.cost.batch) / (best.cost.setup + best.cost.batch)
        out.append(
            f"{mine.name}, cost: {mine.cost.total:.2f} s against {best.cost.total:.2f} s, ratio "
            f"{total:.2f}, at most {COST_SHARE}: {word(total <= COST_SHARE)}; beyond the training "
            f"of the models that are read, ratio {beyond:.3f}: {word(beyond <= COST_SHARE)}"
        )
    return out
