"""Labelled rows of all splits in two halves, each of which measures what the other finds.

Called by `workflow.slices.find`.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from influence_core.cleansing.slices import Loss, Mask, loss_of
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.session import Session
from influence_core.workflow.slices.columns import Places, Rows, rows_of

MOST = 20_000  # rows of a half at most; a sample of more says the same
_SEED = 0x51C3


@dataclass(frozen=True)
class Known:
    """Labelled rows of all splits.

    Attributes:
        parts: of each split.
        first: (n,) whether a row is of the first half, by a seed.
        wrong, loss: (n,) whether the model errs, and what `loss_of` says.
        strata: (n,) a number for each class of each split: a split may be harder than another.
    """

    parts: list[Rows]
    first: Mask
    wrong: Mask
    loss: Loss
    strata: npt.NDArray[np.int64]

    @property
    def halves(self) -> tuple[Mask, Mask]:
        """(n,) rows of the first, and of the second."""
        return self.first, ~self.first

    @classmethod
    def of(cls, session: Session) -> "Known":
        """All of a run, or a sample of them."""
        places = _places(session)
        parts = [rows_of(session, name, at) for name, at in places.items()]
        told = [seen(session, name) for name in places]
        wrong, loss = (
            np.concatenate([one[i][part.at] for one, part in zip(told, parts, strict=True)])
            for i in (0, 1)
        )
        many = len(session.classes)
        strata = [many * i + part.split.labels[part.at] for i, part in enumerate(parts)]
        rng = np.random.default_rng(_SEED)
        first = [rng.permutation(np.arange(len(part.at)) % 2 == 0) for part in parts]
        return cls(
            parts, np.concatenate(first), wrong, loss,
            np.unique(np.concatenate(strata), return_inverse=True)[1],
        )  # fmt: skip


def seen(session: Session, split: str) -> tuple[Mask, Loss]:
    """Whether the model errs on each row of a split, and the row's loss; of no label, neither."""
    table = predictions(session, split)
    label = table["label_number"].to_numpy()
    wrong = np.asarray((label >= 0) & (label != table["predicted_number"].to_numpy()))
    return wrong, np.where(label >= 0, loss_of(table["p_label"]), 0.0)


def _places(session: Session) -> dict[str, Places]:
    """Positions of labelled rows by split, or of a sample."""
    known = {
        part.name: np.flatnonzero(part.labels >= 0)
        for part in session.project.dataset
        if session.run.has_table("rows" if part.name == "train" else f"pred-{part.name}")
    }
    share = min(1.0, 2 * MOST / max(1, sum(map(len, known.values()))))
    rng = np.random.default_rng(_SEED)
    return {
        name: np.sort(rng.permutation(at)[: round(share * len(at))]) for name, at in known.items()
    }
