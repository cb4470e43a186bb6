"""Influence on demand at the desk: which rows made the model doubt the label of the row shown."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from influence_core.errors import DataError
from influence_core.workflow.explain.doubt_rows import doubt_rows
from influence_core.workflow.results import ESTIMATORS, Split, to_hex
from influence_core.workflow.session import Session
from pages.ui.draw import content, numbers

Drawn = Callable[[Split, int, int], dict[str, str]]


def doubt_card(session: Session, key: int | None, drawn: Drawn) -> dict[str, Any] | None:
    """Both lists as plain values for the browser; None where nothing was asked.

    Args:
        session: the open run.
        key: of the training row; what the browser sends may be of no row, or of one without label.
        drawn: content of a row of a split at a size, as cards have it.
    """
    if key is None:
        return None
    try:
        found = doubt_rows(session, key)
    except DataError as error:
        return {"key": to_hex(key), "problem": content.visible(str(error))}
    strongest = max([1e-12, *(float(t["influence"].abs().max()) for t in found.tables() if len(t))])
    against, for_it = (_rows(session, table, strongest, drawn) for table in found.tables())
    return {
        "key": to_hex(key), "against": against, "for_it": for_it,
        "method": ESTIMATORS[found.estimator].title,
    }  # fmt: skip


def _rows(
    session: Session, table: pd.DataFrame, strongest: float, drawn: Drawn
) -> list[dict[str, Any]]:
    train = session.project.dataset.train
    return [
        {
            **drawn(train, train.position(int(row.key)), content.THUMB),
            "id": content.visible(str(row.id)),
            "label": content.visible(row.label),
            "share": abs(row.influence) / strongest,
            "score": f"influence {numbers.influence(row.influence, row.stderr)}",
        }
        for row in table.itertuples()
    ]
