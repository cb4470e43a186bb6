"""How far the reviewers are: what is decided, of what was flagged, class by class."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.store.reviews.events import FAULTY
from influence_core.store.reviews.state import DISPUTED


@dataclass(frozen=True)
class DeskProgress:
    """How far reviewers are: numbers of rows."""

    total: int
    flagged: int
    flagged_decided: int
    decided: int
    disputed: int
    wrong: int  # relabelled or excluded
    by_class: pd.DataFrame  # class, rows, flagged, decided, wrong


def progress_of(
    scores: pd.DataFrame, classes: Sequence[str], outcomes: npt.NDArray[np.object_]
) -> DeskProgress:
    """Count.

    Args:
        scores: the label table, one line a training row.
        classes: names in label order.
        outcomes: (N,) what was decided of each row, "" where nothing was.
    """
    decided = outcomes != ""
    flagged = scores["flagged"].to_numpy()
    wrong = np.isin(outcomes, FAULTY)
    given = scores["given"].to_numpy()
    by_class = pd.DataFrame({"class": list(classes)})
    masks = {"rows": given >= 0, "flagged": flagged, "decided": decided, "wrong": wrong}
    for name, mask in masks.items():
        here = given[mask & (given >= 0)]
        by_class[name] = np.bincount(here, minlength=len(classes))
    return DeskProgress(
        total=len(outcomes),
        flagged=int(flagged.sum()),
        flagged_decided=int((flagged & decided).sum()),
        decided=int(decided.sum()),
        disputed=int((outcomes == DISPUTED).sum()),
        wrong=int(wrong.sum()),
        by_class=by_class,
    )
