"""How a run does on the slices that were saved; the same rows for every run, so runs compare."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.store.project import Project
from influence_core.store.slices import SavedSlice, saved_slices
from influence_core.workflow.explain.items import predictions
from influence_core.workflow.session import Session
from influence_core.workflow.slices.find import Slice

Numbers = npt.NDArray[np.int64]


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
    tables: dict[str, pd.DataFrame] = {}
    out = []
    for one in saved_slices(session.project.root, split):
        if one.split not in tables:
            numbers = predictions(session, one.split)[["key", "label_number", "predicted_number"]]
            tables[one.split] = numbers.set_axis(["key", "label", "predicted"], axis=1)
        label, predicted = _held(one, tables[one.split])
        missed = (label >= 0) & (label != predicted)
        out.append(KeptSlice(one, len(label), int(missed.sum()), int((label >= 0).sum())))
    return out


@dataclass(frozen=True)
class SliceOfRuns:
    """A saved slice and how many of its labelled items several runs have right.

    Attributes:
        kept: the slice.
        items: with a label.
        right: by run; a run that keeps no predictions of the split is left out.
        changed: of the last two runs that were asked for, items that only the later one has right,
            and those that only the earlier one has; None if one of them is left out.
        chance: probability of a split as uneven, were both equally good (McNemar's exact test).
    """

    kept: SavedSlice
    items: int
    right: Mapping[str, int]
    changed: tuple[int, int] | None = None
    chance: float = 1.0


def slices_of_runs(project: Project, runs: Sequence[str]) -> list[SliceOfRuns]:
    """Every saved slice that any of these runs has predicted; two runs are compared.

    Args:
        project: of the runs.
        runs: ids, with the earlier one first where two are compared.

    Raises:
        StoreError: a slice or table is damaged, or there is no such run.
    """
    opened = {name: project.run(name) for name in runs}
    tables: dict[tuple[str, str], pd.DataFrame] = {}
    out = []
    for one in saved_slices(project.root):
        for name, run in opened.items():
            if (name, one.split) not in tables and run.has_table(f"pred-{one.split}"):
                tables[name, one.split] = run.table(f"pred-{one.split}")
        hits = {
            name: _right(one, tables[name, one.split])
            for name in runs
            if (name, one.split) in tables
        }
        if hits:
            out.append(_of_runs(one, hits, runs))
    return out


def _of_runs(
    one: SavedSlice, hits: Mapping[str, npt.NDArray[np.bool_]], runs: Sequence[str]
) -> SliceOfRuns:
    from scipy.stats import binomtest

    counts = {name: int(right.sum()) for name, right in hits.items()}
    items = len(next(iter(hits.values())))
    if len(runs) < 2 or not {*runs[-2:]} <= set(hits):
        return SliceOfRuns(one, items, counts)
    first, second = (hits[name] for name in runs[-2:])
    fixed, broken = int((~first & second).sum()), int((first & ~second).sum())
    chance = float(binomtest(fixed, fixed + broken).pvalue) if fixed + broken else 1.0
    return SliceOfRuns(one, items, counts, (fixed, broken), chance)


def _right(one: SavedSlice, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """(n,) of its labelled items whether a run has them right."""
    label, predicted = _held(one, table)
    return np.asarray(label[label >= 0] == predicted[label >= 0])


def _held(one: SavedSlice, table: pd.DataFrame) -> tuple[Numbers, Numbers]:
    """(n,) label and prediction of its rows, as numbers, from columns key, label, predicted."""
    held = np.isin(table["key"].to_numpy(), np.array(one.keys, dtype=np.uint64))
    return table["label"].to_numpy()[held], table["predicted"].to_numpy()[held]


def slice_to_save(session: Session, split: str, found: Slice) -> SavedSlice:
    """A found slice as it is saved: under its name, with all its rows of the split."""
    keys = session.project.dataset.split(split).keys[found.items]
    return SavedSlice(found.name, split, f"found: {found.sentence()}", tuple(map(int, keys)))
