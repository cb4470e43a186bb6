"""Training rows behind most errors: of the rows that pushed each mistake, those that come back.

What `explain` lists for one error is asked for many at once, toward each one's mistake, by an
estimator that needs no pass through the training. A row that many errors share may be mislabelled,
or only typical of its class; the count does not say which. Called by the Errors page and by
`turnover errors --rows`.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.influence.scan import scan
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.workflow.explain.items import as_items, misclassified
from influence_core.workflow.session import Session

MOST = 300  # errors, the worst first
ROWS = 12  # of an error, as many as the Errors page lists
AT_A_TIME = 32  # errors scanned together; between two lots a viewer hears how far it is

COLUMNS = ("key", "id", "label", "errors", "share", "mean_rank", "worst")

Positions = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Behind:
    """The rows that at least two errors share, those of most errors first.

    Attributes:
        table: `key`, `id`, `label` (class name), `errors` behind which the row stands, their
            `share` of those looked at, `mean_rank` in their lists (from 1), `worst` (key of the
            worst of them). Of as many errors, the row with the better mean rank comes first.
        looked_at: errors whose rows were counted, the worst of `wrong`.
        estimator: by name.
    """

    table: pd.DataFrame
    looked_at: int
    wrong: int
    estimator: str

    def counts(self) -> dict[int, int]:
        """Key of each row to the number of errors behind which it stands."""
        return dict(zip(self.table["key"].tolist(), self.table["errors"].tolist(), strict=True))


def rows_behind(
    session: Session,
    split: str,
    *,
    most: int = MOST,
    rows: int = ROWS,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Behind:
    """Count in how many errors of a split each training row is among those that pushed most.

    Args:
        most: errors looked at, the worst first.
        rows: of each error.
        progress: told after each lot of errors.
        cancel: set it to stop; `CancelledError` is raised.

    Raises:
        DataError: there is no such split. StoreError: a table of the run is damaged.
    """
    wrong = misclassified(session, split)["key"].tolist()
    keys, name = wrong[:most], counted_by(session)
    lists: list[Positions] = []
    for found in _lists(session, split, keys, name, rows, cancel):
        lists += found
        if progress:
            progress(Progress("errors", len(lists), len(keys)))
    return Behind(_table(session, keys, lists), len(keys), len(wrong), name)


def counted_by(session: Session) -> str:
    """The estimator that counts: the default one, unless it goes through the training."""
    return session.estimator(many=True, quick=True)


def _lists(
    session: Session,
    split: str,
    keys: Sequence[int],
    name: str,
    rows: int,
    cancel: threading.Event | None,
) -> Iterator[list[Positions]]:
    """For each lot of errors, one array of training rows an error, strongest first."""
    prepared = session.prepared(name)
    places = session.project.dataset.split(split).positions_of(np.array(keys, dtype=np.uint64))
    for start in range(0, len(places), AT_A_TIME):
        check_cancel(cancel)
        lot = places[start : start + AT_A_TIME]
        features, proba = as_items(session, split, lot)
        mistakes = torch.from_numpy(proba.argmax(1))
        query = prepared.query(session.targets(features, mistakes, proba))
        # One more than asked for: a training row must not explain itself.
        ranking = scan(query, len(session.evidence), k=rows + 1, cancel=cancel)
        itself = lot if split == "train" else np.full(len(lot), -1)
        yield [
            top.positions[top.positions != here][:rows]
            for top, here in zip(ranking.helpful, itself, strict=True)
        ]


def _table(session: Session, keys: Sequence[int], lists: Sequence[Positions]) -> pd.DataFrame:
    """The columns of `Behind`, from the list of each error."""
    sizes = [len(found) for found in lists]
    every = pd.DataFrame(
        {
            "position": np.concatenate([np.empty(0, np.int64), *lists]),
            "rank": np.concatenate([np.empty(0), *(np.arange(1.0, n + 1) for n in sizes)]),
            "error": np.repeat(np.asarray(keys, dtype=np.uint64), sizes),
        }
    )
    found = every.groupby("position").agg(
        errors=("error", "size"), mean_rank=("rank", "mean"), worst=("error", "first")
    )
    train = session.project.dataset.train
    found = found[found["errors"] > 1].reset_index()
    at = found["position"].to_numpy()
    found["key"], found["share"] = train.keys[at], found["errors"] / max(len(keys), 1)
    found["id"] = train.table.column("id").take(at).to_pylist()
    found["label"] = [session.classes[c] for c in train.labels[at]]
    found = found.sort_values(["errors", "mean_rank", "key"], ascending=[False, True, True])
    return found[list(COLUMNS)].reset_index(drop=True)
