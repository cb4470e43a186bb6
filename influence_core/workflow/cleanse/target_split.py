"""The target split of a cleansing: the items whose loss says which training rows are harmful."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.errors import DataError
from influence_core.workflow.other_splits import need_labelled_splits
from influence_core.workflow.session import Session
from influence_core.workflow.slices.grammar import KINDS, slice_of

ALL, WRONG = "all", "misclassified"


@dataclass(frozen=True)
class TargetSplit:
    """A split, or a part of it, that the model should get better on.

    Attributes:
        split: which.
        part: "all", "misclassified", a class name, `column=value` for the items whose extra column
            has that value, `~words` for those whose text contains the words in any case, or
            `slice:name` for a saved slice.
    """

    split: str
    part: str = ALL


@dataclass(frozen=True)
class TargetItems:
    """Labelled items of the target split: positions in the split, features (T, d), labels (T,)."""

    positions: npt.NDArray[np.int64]
    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def some(self, index: npt.NDArray[np.int64]) -> "TargetItems":
        """A part of the items."""
        chosen = torch.from_numpy(index)
        return TargetItems(
            self.positions[index],
            self.features[chosen.to(self.features.device)],
            self.labels[chosen.to(self.labels.device)],
        )


def target_items(session: Session, target: TargetSplit) -> TargetItems:
    """The items of the target split with a label, and their features.

    Raises:
        DataError: see `target_positions`.
    """
    positions = target_positions(session, target)
    features = session.split_features(target.split).rows(torch.from_numpy(positions))
    labels = np.asarray(session.project.dataset.split(target.split).labels)[positions]
    return TargetItems(positions, features, torch.from_numpy(labels).to(features.device))


def target_positions(session: Session, target: TargetSplit) -> npt.NDArray[np.int64]:
    """Positions of the items in their split, ascending.

    Raises:
        DataError: no such split, part or no labelled item in it; or the training rows themselves.
    """
    need_labelled_splits(session.project, "A cleansing by scores")
    if target.split == "train":
        raise DataError(
            "The training rows cannot be the target split of their own cleansing; choose another "
            "split."
        )
    split = session.project.dataset.split(target.split)
    labels = np.asarray(split.labels)
    chosen = labels >= 0
    if target.part == WRONG:
        table = session.run.table(f"pred-{target.split}")
        chosen &= table["predicted"].to_numpy() != labels
    elif target.part in session.classes:
        chosen &= labels == session.classes.index(target.part)
    elif target.part != ALL:
        chosen &= _slice(session, target)
    positions = np.flatnonzero(chosen)
    if not len(positions):
        raise DataError(
            f"Split '{target.split}' has no labelled item in the part '{target.part}'; "
            "choose a wider part."
        )
    return positions


def _slice(session: Session, target: TargetSplit) -> npt.NDArray[np.bool_]:
    """Items of a slice that is no class: by the text, a column of the source, or a saved one."""
    found = slice_of(session.project, target.split, target.part)
    if found is None:
        known = ", ".join((ALL, WRONG, *session.classes[:20]))
        columns = session.project.dataset.split(target.split).extra_columns
        raise DataError(
            f"There is no part '{target.part}' of a target split; choose one of {known}, "
            f"{KINDS.format(columns)}."
        )
    return found
