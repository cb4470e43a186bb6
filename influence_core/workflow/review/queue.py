"""Which training rows the desk shows: filters, and how many rows each choice would leave.

Pure functions of the label table and of what counts about each row. Called by `desk`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow.compute as pc

from influence_core.data.dataset import Split
from influence_core.errors import DataError
from influence_core.store.reviews.state import DISPUTED

Mask = npt.NDArray[np.bool_]
State = Literal["all", "undecided", "decided", "disputed", "proposed"]
STATES: tuple[State, ...] = ("undecided", "decided", "disputed", "proposed", "all")


@dataclass(frozen=True)
class QueueFilter:
    """Which rows to show; every field narrows.

    Attributes:
        given, suggested: class names, "" for any.
        state: undecided, decided, disputed (reviewers disagree), proposed (an agent's word waits
            for an answer), or all.
        low, high: bounds, both included, of the flipped-side probability of the given label.
        text: part of the sentence, in any case; of the id where rows are images.
        flagged: only rows that the label scores flag.
    """

    given: str = ""
    suggested: str = ""
    state: State = "undecided"
    low: float = 0.0
    high: float = 1.0
    text: str = ""
    flagged: bool = False


@dataclass(frozen=True, eq=False)
class QueueRows:
    """The training rows as a filter sees them.

    Attributes:
        train: the training split.
        classes: names in label order.
        scores: `labels.scores` columns, one line a row.
        outcomes: (N,) what counts about each row: a verdict, "disputed", or "".
        proposed: positions with a proposal that waits.
    """

    train: Split
    classes: tuple[str, ...]
    scores: pd.DataFrame
    outcomes: npt.NDArray[np.object_]
    proposed: Collection[int] = ()

    def passing(self, wanted: QueueFilter) -> Mask:
        """Which rows pass the filter, (N,).

        Raises:
            DataError: there is no class of that name.
        """
        return self._all_of(self._masks(wanted))

    def facets(self, wanted: QueueFilter) -> dict[str, dict[str, int]]:
        """Rows that each choice of given, suggested, state and flagged would leave."""
        masks = self._masks(wanted)
        rest = {
            facet: self._all_of({name: mask for name, mask in masks.items() if name != facet})
            for facet in ("given", "suggested", "state", "flagged")
        }
        flagged = self.scores["flagged"].to_numpy()
        out = {name: self._per_class(name, rest[name]) for name in ("given", "suggested")}
        out["state"] = {s: int((rest["state"] & self._in_state(s)).sum()) for s in STATES}
        out["flagged"] = {
            "flagged": int((rest["flagged"] & flagged).sum()), "all": int(rest["flagged"].sum())
        }  # fmt: skip
        return out

    def _all_of(self, masks: dict[str, Mask]) -> Mask:
        return np.logical_and.reduce([np.ones(len(self.scores), bool), *masks.values()])

    def _per_class(self, column: str, rows: Mask) -> dict[str, int]:
        values = self.scores[column].to_numpy()[rows]
        counts = np.bincount(values[values >= 0], minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def _masks(self, wanted: QueueFilter) -> dict[str, Mask]:
        """One mask a field that narrows."""
        p = self.scores["p_given"].to_numpy()
        # Rows without a label have no probability of it; the full range must not hide them.
        inside = (p >= wanted.low) & (p <= wanted.high)
        whole = wanted.low <= 0.0 and wanted.high >= 1.0
        masks = {"range": inside | (np.isnan(p) & whole), "state": self._in_state(wanted.state)}
        for name in ("given", "suggested"):
            chosen = getattr(wanted, name)
            if chosen:
                if chosen not in self.classes:
                    raise DataError(f"'{chosen}' is not a class of this project.")
                masks[name] = self.scores[name].to_numpy() == self.classes.index(chosen)
        if wanted.flagged:
            masks["flagged"] = self.scores["flagged"].to_numpy()
        if wanted.text.strip():
            column = "text" if self.train.content_column == "text" else "id"
            texts = self.train.table.column(column)
            found = pc.match_substring(texts, wanted.text.strip(), ignore_case=True)
            masks["text"] = found.fill_null(False).to_numpy()
        return masks

    def _in_state(self, state: State) -> Mask:
        if state == "all":
            return np.ones(len(self.scores), bool)
        if state == "disputed":
            return np.asarray(self.outcomes == DISPUTED)
        if state == "proposed":
            return np.isin(np.arange(len(self.scores)), list(self.proposed))
        decided = np.asarray((self.outcomes != "") & (self.outcomes != DISPUTED))
        return decided if state == "decided" else ~decided
