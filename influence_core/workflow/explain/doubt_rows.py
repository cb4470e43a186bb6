"""Which rows made the model doubt a training row's label: influence on its own flipped side.

Asked for one row at a time on the label desk, so by a method that answers at once.
"""

from dataclasses import dataclass

import pandas as pd

from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.session import Session


@dataclass(frozen=True)
class DoubtRows:
    """The rows behind a doubt.

    Attributes:
        estimator: the method, by name.
        label: class number of the given label.
        against: rows that raised the loss of the given label, strongest first, in the columns of
            an `Explanation`; `for_it` are those that lowered it.
    """

    estimator: str
    label: int
    against: pd.DataFrame
    for_it: pd.DataFrame

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Against the given label, and for it."""
        return self.against, self.for_it


def doubt_rows(session: Session, key: int, k: int = 6) -> DoubtRows:
    """What pushed the side that never saw a row away from its given label, and toward it.

    The row itself is not among them.

    Raises:
        DataError: no training row has the key, or the row has no label.
    """
    options = ExplainOptions(session.estimator(quick=True), toward="true", k=k)
    found = explain(session, find_item(session, "train", key), options)
    return DoubtRows(options.estimator, found.label, found.harmful, found.helpful)
