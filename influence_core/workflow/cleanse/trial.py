"""Try a cleansing: retrain with and without the rows, beside two controls.

The controls are nothing removed, and random rows of the same classes removed. Every split with
labels is measured: those that chose nothing show whether it helps.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.cleansing.choose import Selection
from influence_core.cleansing.verdict import Difference, paired, verdict
from influence_core.data.keys import Keys
from influence_core.disk.checkpoint import Parts
from influence_core.disk.records import Figure, Stored
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.slices import SavedSlice, saved_slices
from influence_core.workflow.cleanse.target_split import TargetSplit, target_items
from influence_core.workflow.evaluate.arms import retrained
from influence_core.workflow.session import Session

NONE, CLEANSED, RANDOM = "nothing removed", "cleansed", "random removed"
# What arms are called on screen.
ARMS = {NONE: "all rows", CLEANSED: "cleaned", RANDOM: "random removal"}


def _frame(value: Any) -> pd.DataFrame:
    """A table from lists by column."""
    frame = pd.DataFrame(value)
    if not {NONE, CLEANSED, RANDOM} <= set(frame.get("arm", ())):
        raise ValueError("an arm is missing")
    return frame


Table = Annotated[pd.DataFrame, Stored(_frame, lambda frame: frame.to_dict("list"))]


@dataclass(frozen=True)
class SliceTrial:
    """A saved slice in a trial: accuracy of its labelled items, mean over the retrainings.

    Attributes:
        name, split: of the slice.
        items: with a label.
        before, after: with nothing removed, and cleansed.
        change: after less before.
    """

    name: str
    split: str
    items: int
    before: Figure
    after: Figure
    change: Difference

    def sentence(self) -> str:
        """For people."""
        return (
            f"Slice {self.name} ({self.items:,} items of {self.split}): {100 * self.before:.1f} % "
            f"right with all rows, {100 * self.after:.1f} % cleaned{self.interval()}."
        )

    def interval(self) -> str:
        """The change in points, where enough items tell how far off it may be."""
        if not np.isfinite(self.change.low):
            return ""
        low, high = 100 * self.change.low, 100 * self.change.high
        return f" ({100 * self.change.mean:+.1f} points, 95 % interval {low:+.1f} to {high:+.1f})"


@dataclass(frozen=True)
class Trial:
    """Results of retraining. `table`: one line an arm, split and seed, with accuracy and loss.

    `recall`: one line an arm, split and class. `verdicts` by split, in plain words, with the
    differences of the cleansed arm against nothing removed and against random rows. `slices`: those
    that were saved when it was tried.
    """

    table: Table
    recall: Table
    verdicts: dict[str, str]
    differences: dict[str, tuple[Difference, Difference]]
    slices: tuple[SliceTrial, ...] = ()


def trial(
    session: Session,
    change: Selection,
    splits: Sequence[str],
    *,
    seeds: int = 10,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    unfinished: Parts | None = None,
) -> Trial:
    """Retrain with and without the rows, from the same starts, masks and batch order.

    A seed is one head with a start and masks of its own; each arm trains all of them. The random
    arm is the mean over several draws of as many rows of the same classes. With `unfinished`
    it goes on after the arms that are kept there; the caller discards them when the result is kept.

    Raises:
        DataError: nothing is changed, or a split has no labelled item.
        StoreError: a saved slice is damaged.
    """
    if not len(change):
        raise DataError("Nothing is removed or relabelled, so there is nothing to try.")
    items = {name: target_items(session, TargetSplit(name)) for name in splits}
    saved = {name: saved_slices(session.project.root, name) for name in splits}
    x = torch.cat([i.features for i in items.values()])
    parts = unfinished and unfinished.of(*items)
    seen = retrained(session, change, x, seeds=seeds, parts=parts, progress=progress, cancel=cancel)
    tables, recalls, verdicts, differences = [], [], {}, {}
    slices: list[SliceTrial] = []
    start = 0
    for name, part in items.items():
        here = seen[:, :, start : start + len(part)]  # (G, S, T, C)
        start += len(part)
        truth = part.labels.cpu().numpy()
        table = _figures(name, here, truth)
        tables.append(table)
        recalls.append(_recalls(name, here, truth, session.classes))
        right = here.argmax(3) == truth  # (G, S, T)
        against = paired(right[1], right[0]), paired(right[1], right[2:])
        differences[name] = against
        verdicts[name] = verdict(*against, name)
        keys = session.project.dataset.split(name).keys[part.positions]
        slices += _slices(saved[name], keys, right)
    return Trial(pd.concat(tables), pd.concat(recalls), verdicts, differences, tuple(slices))


def _slices(
    saved: Sequence[SavedSlice], keys: Keys, right: npt.NDArray[np.bool_]
) -> Iterator[SliceTrial]:
    """Of the items of a split (T,), right or not in each retraining (G, S, T)."""
    for one in saved:
        held = np.isin(keys, np.array(one.keys, dtype=np.uint64))
        if held.any():
            before, after = (right[arm][:, held] for arm in (0, 1))
            yield SliceTrial(
                one.name, one.split, int(held.sum()), float(before.mean()), float(after.mean()),
                paired(after, before),
            )  # fmt: skip


def _by_arm(values: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Figures of the three arms from (G, ...); the random one is the mean of its draws."""
    return {NONE: values[0], CLEANSED: values[1], RANDOM: values[2:].mean(0)}


def _figures(
    split: str, log_proba: npt.NDArray[np.float32], truth: npt.NDArray[np.int64]
) -> pd.DataFrame:
    accuracy = _by_arm((log_proba.argmax(3) == truth).mean(2))  # (S,) each
    own = np.take_along_axis(log_proba, truth[None, None, :, None], axis=3)[..., 0]
    loss = _by_arm(-own.mean(2))
    return pd.concat(
        pd.DataFrame(
            {
                "split": split,
                "arm": arm,
                "seed": np.arange(len(accuracy[arm])),
                "accuracy": accuracy[arm],
                "loss": loss[arm],
            }
        )
        for arm in ARMS
    )


def _recalls(
    split: str,
    log_proba: npt.NDArray[np.float32],
    truth: npt.NDArray[np.int64],
    classes: Sequence[str],
) -> pd.DataFrame:
    right = _by_arm(log_proba.argmax(3) == truth)  # (S, T) each
    return pd.DataFrame(
        [
            {"split": split, "arm": arm, "class": classes[c], "recall": hits[:, truth == c].mean()}
            for arm, hits in right.items()
            for c in np.unique(truth)
        ]
    )
