"""The training rows most like a row: which labels they carry, and the nearest of either label.

Evidence that needs no estimator to be believed. Called by the desk and by the verdict on an item.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from influence_core.labels.neighbours import alike
from influence_core.workflow.session import Session


@dataclass(frozen=True)
class Labelled:
    """The rows of one label that are most like a row, most similar first.

    Attributes:
        label: class number.
        positions, similarity: (k,) places among the training rows, and cosines.
        close: whether any of them is among the twentieth of all rows that is most alike.
    """

    label: int
    positions: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float32]
    close: bool


@dataclass(frozen=True)
class Nearest:
    """What lies around one row.

    Attributes:
        counts: class number and how many of the nearest rows carry it, most first; -1 is no label.
        labelled: the nearest rows of each label that was asked about.
    """

    counts: tuple[tuple[int, int], ...]
    labelled: tuple[Labelled, ...]

    @property
    def total(self) -> int:
        """How many rows were counted: ten, or all there are."""
        return sum(count for _, count in self.counts)

    def of(self, label: int | None) -> int:
        """How many of them carry this label."""
        return dict(self.counts).get(label, 0) if label is not None else 0

    def sentence(self, names: Sequence[str]) -> str:
        """For people: 10 nearest: 9 Sandal, 1 Dress."""
        if not self.counts:
            return "There is no other training row to compare with."
        listed = ", ".join(
            f"{count} {names[label] if label >= 0 else 'without a label'}"
            for label, count in self.counts
        )
        return f"{self.total} nearest: {listed}"


def nearest_rows(
    session: Session,
    x: torch.Tensor,
    own: Sequence[int],
    labels: Sequence[Sequence[int]],
    each: int = 6,
) -> list[Nearest]:
    """Around each of these rows.

    Args:
        session: the opened run.
        x: (T, d) in the run's standardisation.
        own: (T,) position of each among the training rows, -1 for one that is none of them.
        labels: (T,) the class numbers asked about for each.
        each: nearest rows of each of those classes.
    """
    found = alike(session.features, len(session.evidence), x, own)
    given = np.asarray(session.project.dataset.train.labels)
    out = []
    for number, asked in enumerate(labels):
        positions, _ = found.top(number)
        values, counts = np.unique(given[positions], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        close, groups = found.close(number) if asked else 1.0, []
        for label in asked:
            places, similarity = found.top(number, each, given == label)
            near = bool(len(similarity)) and float(similarity[0]) >= close
            groups.append(Labelled(int(label), places, similarity, near))
        around = tuple((int(values[i]), int(counts[i])) for i in order)
        out.append(Nearest(around, tuple(groups)))
    return out


@dataclass(frozen=True)
class Likeness:
    """How alike the nearest training row is to something that is no row of the data.

    Attributes:
        nearest: cosine of the most similar training row.
        usual: the cosine that all but one in a hundred training rows reach with their own nearest.
    """

    nearest: float
    usual: float

    @property
    def strange(self) -> bool:
        """Whether it is less alike to the training rows than these are to each other."""
        return self.nearest < self.usual

    @property
    def sentence(self) -> str:
        """For people, with what follows from it."""
        told = f"Its most similar training row is {max(self.nearest, 0.0):.0%} alike"
        if not self.strange:
            return f"{told}, as training rows are to each other."
        return (
            f"{told}; of the training rows 99 in 100 have one that is {max(self.usual, 0.0):.0%} "
            "alike or more. It is unlike all training data, so believe the prediction little."
        )


def likeness(session: Session, x: torch.Tensor, sample: int = 500) -> Likeness:
    """Compare something of the user's own with the training rows, and these with each other.

    Args:
        session: the opened run.
        x: (d,) in the run's standardisation.
        sample: training rows that are looked at for what is usual.
    """
    rows = len(session.evidence)
    chosen = np.linspace(0, rows - 1, min(sample, rows)).astype(np.int64)
    among = session.features.rows(torch.from_numpy(chosen))
    both = torch.cat([x[None].to(among), among])
    found = alike(session.features, rows, both, [-1, *chosen.tolist()])
    best = [float(found.top(i, 1)[1].max(initial=-1.0)) for i in range(len(both))]
    return Likeness(best[0], float(np.quantile(best[1:], 0.01)))
