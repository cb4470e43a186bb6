"""Learning curves of a run: the losses of the learned and the flipped side, and of the test items.

While a network memorises, the learned side's loss falls away from the flipped side's: the paper's
figure. The same table comes from a finished run and from the events of a training under way.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from influence_core.store.runs import Run

COLUMNS = ("epoch", "learned", "flipped", "test")
STAGE = "train"
MOST_EPOCHS = 2**31


def learning_curves(run: Run) -> pd.DataFrame:
    """One line an epoch: epoch (from 1), learned, flipped, test; losses in nats, NaN if unmeasured.

    For heads and whole networks; empty for a run that kept no history, such as one trained by a
    script of the user's own. Where a project has no labelled test split, `test` is that of valid.

    Raises:
        StoreError: the run's progress file is damaged.
    """
    events = (e for e in run.progress() if e.get("stage") == STAGE)
    return _table(e.get("metrics") or {} for e in events)


def live_curves(lines: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The same from the lines of a running job (`jobs.folder.curve_lines`).

    A job that was interrupted and resumed tells an epoch again; the last word counts.
    """
    return _table(line for line in lines if line.get("stage") == STAGE)


def _table(metrics: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    lines = {}
    for found in metrics:
        # A file may say anything: an epoch is a small whole number.
        if "learned_loss" in found and 0 <= found.get("epoch", -1) < MOST_EPOCHS:
            lines[int(found["epoch"])] = _line(found)
    frame = pd.DataFrame([lines[epoch] for epoch in sorted(lines)], columns=list(COLUMNS))
    return frame.astype({"epoch": "int64", "learned": float, "flipped": float, "test": float})


def _line(found: Mapping[str, Any]) -> dict[str, Any]:
    nothing = float("nan")
    return {
        "epoch": int(found["epoch"]),
        "learned": found.get("learned_loss", nothing),
        "flipped": found.get("flipped_loss", nothing),
        "test": found.get("test_loss", found.get("valid_loss", nothing)),
    }
