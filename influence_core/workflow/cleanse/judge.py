"""The judge of a cleansing: which items say what is harmful, with features and the model's view."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from influence_core.data.dataset import Split
from influence_core.errors import DataError
from influence_core.workflow.session import Session

ALL, WRONG = "all", "misclassified"


@dataclass(frozen=True)
class Judge:
    """A split or a part of it.

    Attributes:
        split: which.
        part: "all", "misclassified", a class name, `column=value` for the items whose extra column
            has that value, or `~words` for those whose text contains the words in any case.
    """

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
        DataError: see `judge_positions`.
    """
    positions = judge_positions(session, judge)
    features = session.split_features(judge.split).rows(torch.from_numpy(positions))
    labels = np.asarray(session.project.dataset.split(judge.split).labels)[positions]
    return JudgeItems(positions, features, torch.from_numpy(labels).to(features.device))


def judge_positions(session: Session, judge: Judge) -> npt.NDArray[np.int64]:
    """Where the judge's items stand in its split, ascending.

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
    elif judge.part in session.classes:
        chosen &= labels == session.classes.index(judge.part)
    elif judge.part != ALL:
        chosen &= _slice(split, judge.part, session.classes)
    positions = np.flatnonzero(chosen)
    if not len(positions):
        raise DataError(
            f"Split '{judge.split}' has no labelled item in the part '{judge.part}'; "
            "choose a wider part."
        )
    return positions


def _slice(split: Split, part: str, classes: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """Items of a slice that is no class: by the text, or by a column of the source."""
    if part.startswith("~") and split.content_column == "text":
        words = part[1:].casefold()
        return np.array([words in text.casefold() for text in split.texts()])
    column, equals, value = part.partition("=")
    if equals and column in split.extra_columns:
        return np.array([str(cell) == value for cell in split.extra(column)])
    known = ", ".join((ALL, WRONG, *classes[:20]))
    raise DataError(
        f"The judge has no part '{part}'; choose one of {known}, 'column=value' with a column of "
        f"{split.extra_columns}, or '~words' for texts that contain them."
    )
