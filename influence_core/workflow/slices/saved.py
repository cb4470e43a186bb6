"""How a run does on the slices that were saved; the same rows for every run, so runs compare."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from influence_core.store.slices import SavedSlice, saved_slices
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.session import Session
from influence_core.workflow.slices.find import Slice


@dataclass(frozen=True)
class KeptSlice:
    """A saved slice, its rows that are there, and how many of those with a label are wrong."""

    kept: SavedSlice
    rows: int
    wrong: int
    labelled: int

    def sentence(self) -> str:
        """For people."""
        told = f"{self.kept.name}: {self.rows:,} rows of {self.kept.split}"
        if not self.labelled:
            return f"{told}; none has a label."
        share = 100 * self.wrong / self.labelled
        return f"{told}, {self.wrong:,} of {self.labelled:,} wrong ({share:.0f} %)."

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "name": self.kept.name, "split": self.kept.split, "said": self.kept.said,
            "created": self.kept.created, "rows": self.rows, "errors": self.wrong,
            "labelled": self.labelled,
        }  # fmt: skip


def kept_slices(session: Session, split: str = "") -> list[KeptSlice]:
    """The saved slices of a project, or of one of its splits, by this run.

    Raises:
        StoreError: one is damaged.
    """
    out = []
    for one in saved_slices(session.project.root, split):
        table = predictions(session, one.split)
        held = np.isin(table["key"].to_numpy(), np.array(one.keys, dtype=np.uint64))
        label = table["label_number"].to_numpy()[held]
        missed = (label >= 0) & (label != table["predicted_number"].to_numpy()[held])
        out.append(KeptSlice(one, int(held.sum()), int(missed.sum()), int((label >= 0).sum())))
    return out


def slice_to_save(session: Session, split: str, found: Slice) -> SavedSlice:
    """A found slice as it is saved: under its name, with all its rows of the split."""
    keys = session.project.dataset.split(split).keys[found.items]
    return SavedSlice(found.name, split, f"found: {found.sentence()}", tuple(map(int, keys)))
