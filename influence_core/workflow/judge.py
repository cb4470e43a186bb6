"""The judge of a cleansing: which items say what is harmful, with features and the model's view."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.errors import DataError
from influence_core.workflow.session import Session

ALL, WRONG = "all", "misclassified"


@dataclass(frozen=True)
class Judge:
    """A split or a part of it: `part` is "all", "misclassified" or a class name."""

    split: str
    part: str = ALL


@dataclass(frozen=True)
class JudgeItems:
    """Labelled items of the judge: positions in the split, features (T, d), labels (T,)."""

    positions: npt.NDArray[np.int64]
    features: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def some(self, index: npt.NDArray[np.int64]) -> "JudgeItems":
        """A part of the items."""
        chosen = torch.from_numpy(index)
        return JudgeItems(
            self.positions[index],
            self.features[chosen.to(self.features.device)],
            self.labels[chosen.to(self.labels.device)],
        )


def judge_items(session: Session, judge: Judge) -> JudgeItems:
    """The items that the judge consists of.

    Raises:
        DataError: no such split, part or no labelled item in it; or the training rows themselves.
    """
    if judge.split == "train":
        raise DataError(
            "The training rows cannot judge themselves; choose another split as the judge."
        )
    split = session.project.dataset.split(judge.split)
    labels = np.asarray(split.labels)
    chosen = labels >= 0
    if judge.part == WRONG:
        table = session.run.table(f"pred-{judge.split}")
        chosen &= table["predicted"].to_numpy() != labels
    elif judge.part != ALL:
        if judge.part not in session.classes:
            known = ", ".join((ALL, WRONG, *session.classes[:20]))
            raise DataError(f"The judge has no part '{judge.part}'; choose one of {known}.")
        chosen &= labels == session.classes.index(judge.part)
    positions = np.flatnonzero(chosen)
    if not len(positions):
        raise DataError(
            f"Split '{judge.split}' has no labelled item in the part '{judge.part}'; "
            "choose a wider part."
        )
    features = session.split_features(judge.split).rows(torch.from_numpy(positions))
    return JudgeItems(positions, features, torch.from_numpy(labels[positions]).to(features.device))
