"""Predicted beside actual changes of this model's losses, kept with the run as table `changes`.

Retrainings from the run's own start that were made in any case: of the evaluation (`same`) and of
each *Verify*. They tell the interval of the next prediction.
"""

from contextlib import suppress

import pandas as pd

from influence_core.errors import StoreError
from influence_core.evaluation.change import UNCHECKED, Calibration, calibrate
from influence_core.store.runs import Run

TABLE = "changes"
_MOST = 500  # retrainings that are remembered, the latest ones


def calibration_of(run: Run) -> Calibration:
    """How predicted changes of this run's losses have fared so far."""
    if not run.has_table(TABLE):
        return UNCHECKED
    with suppress(StoreError):  # a damaged table is as none
        table = run.table(TABLE)
        return calibrate(table["predicted"].to_numpy(), table["actual"].to_numpy())
    return UNCHECKED


def keep_changes(run: Run, found: pd.DataFrame) -> None:
    """Add retrainings to the run's table: `key`, `removed` (rows), `predicted`, `actual` (nats).

    One of the same item and number of rows replaces the earlier one.
    """
    before = [run.table(TABLE)] if run.has_table(TABLE) else []
    table = pd.concat([*before, found], ignore_index=True)
    table = table.drop_duplicates(["key", "removed", "side"], keep="last").tail(_MOST)
    run.add_table(TABLE, table)
