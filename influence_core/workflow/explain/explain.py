"""The verb `explain`: which training rows helped and which harmed one item.

The item is a row of a split, or a sentence or image of one's own. *Toward the true label* asks what
helped the model to be right, *toward the predicted label* what pushed it to where it went.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from influence_core.data.dataset import Split
from influence_core.errors import DataError
from influence_core.influence.base import Query, Targets
from influence_core.influence.estimators.turnover import TURNOVER
from influence_core.influence.scan import KnownScores, Ranking, Top, scan
from influence_core.progress import Progress, ProgressFn
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.cluster.scan import ScanTask, scan_on_cluster
from influence_core.workflow.explain.items import (
    Item,
    Toward,
    asked_label,
    item_content,
    own_item,
)
from influence_core.workflow.explain.proof.change import Effects, effects_of
from influence_core.workflow.session import Session
from influence_core.workflow.session_network import network_query

Among = Literal["all", "predicted", "true"]


@dataclass(frozen=True)
class ExplainOptions:
    """The switches of the Errors page.

    Attributes:
        estimator: by name; "" leaves the choice to the run (`Session.estimator`).
        toward: which label's loss is asked about.
        among: which training rows are ranked.
        k: rows of each side.
    """

    estimator: str = ""
    toward: Toward = "predicted"
    among: Among = "all"
    k: int = 12

    def of_run(self, session: Session) -> "ExplainOptions":
        """The same with an estimator chosen."""
        return self if self.estimator else replace(self, estimator=session.estimator())


@dataclass(frozen=True)
class Explanation:
    """The answer: two tables, strongest first, and how it was come by.

    Columns: `rank` from 1, `key`, `id`, `label` (class name), `influence` (positive helped),
    `stderr` (NaN where the estimator has none).
    """

    item: Item
    options: ExplainOptions
    label: int
    helpful: pd.DataFrame
    harmful: pd.DataFrame
    scored: int
    total: int
    device: str
    milliseconds: float
    scores: npt.NDArray[np.float32] | None = None  # (N,) of all rows, if they were kept
    effects: Effects | None = None  # where the estimator tells the change of the loss
    instead_of: str = ""  # the estimator whose answer is on its way, while this one stands here
    passed: float = 0.0  # how much of its pass through the training is done, 0 to 1

    @property
    def provisional(self) -> bool:
        """Whether rows are still to be scored, or another estimator's answer is to come."""
        return self.scored < self.total or bool(self.instead_of)


def explain(  # noqa: PLR0913 - switches of one verb
    session: Session,
    item: Item | str | bytes,
    options: ExplainOptions | None = None,
    *,
    keep: bool = False,
    known: npt.NDArray[np.float32] | None = None,
    on_partial: Callable[[Explanation], None] | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
    cluster: Cluster | None = None,
) -> Explanation:
    """Rank the training rows for an item.

    Args:
        item: of a split (`find_item`), or a sentence or image of one's own.
        keep: keep the scores of all rows in the finished answer, ranked or not; 4 bytes a row.
        known: (N,) the scores, if an earlier answer has kept them: they are ranked only.
        on_partial: called with a provisional answer after each chunk of rows; during a pass through
            the training, of which `progress` is told too, with that of a quick estimator.
        cancel: set it to stop; `CancelledError` is raised.
        cluster: whose workers scan instead.
    """
    if not isinstance(item, Item):
        item = own_item(session, item)
    options = (options or ExplainOptions()).of_run(session)
    label = asked_label(item, options.toward)

    def told(ranking: Ranking) -> Explanation:
        return _explanation(session, item, options, label, ranking)

    rows, asked = len(session.evidence), torch.tensor([label])
    switches: dict[str, Any] = {
        "k": options.k,
        "candidates": candidates(session, item, options.among),
        "exclude": _own_position(session, item),
        "on_partial": None if on_partial is None else lambda part: on_partial(told(part)),
        "cancel": cancel,
    }
    targets = session.targets(item.features[None], asked, item.proba)
    if cluster is not None:
        task = ScanTask.of(cluster, session, options.estimator, targets)
        return told(scan_on_cluster(cluster, task, rows, **switches))
    query: Query
    if known is None:
        query = query_of(session, item, options.estimator, targets)
    else:
        query = KnownScores(torch.from_numpy(np.array(known))[None])
    if on_partial is not None and known is None and session.takes_a_pass(options.estimator):
        quick = replace(options, estimator=session.estimator(quick=True))
        first = explain(session, item, quick, cancel=cancel)
        progress = _meanwhile(replace(first, instead_of=options.estimator), on_partial, progress)
    scores = np.empty((1, rows), np.float32) if keep else None
    ranking = scan(query, rows, keep=scores, progress=progress, **switches)
    if scores is not None:
        scores.setflags(write=False)  # answers are shared
    effects = effects_of(session, item.features, label, query, ranking)
    return replace(told(ranking), effects=effects, scores=None if scores is None else scores[0])


def _meanwhile(
    first: Explanation, on_partial: Callable[[Explanation], None], progress: ProgressFn | None
) -> ProgressFn:
    on_partial(first)

    def told(event: Progress) -> None:
        if progress:
            progress(event)
        on_partial(replace(first, passed=event.done / max(event.total, 1)))

    return told


def query_of(session: Session, item: Item, estimator: str, targets: Targets) -> Query:
    """The estimator on the item; for a whole network turn-over is the general scan."""
    if estimator == TURNOVER.name and session.run.record.kind == "network":
        encoder = session.network()
        return network_query(
            encoder, item_content(session, item), targets.labels, session.evidence.keys
        )
    return session.prepared(estimator).query(targets)


def candidates(session: Session, item: Item, among: Among) -> torch.Tensor | None:
    """Positions of the rows that are ranked; None for all."""
    if among == "all":
        return None
    wanted = item.predicted if among == "predicted" else item.true
    if wanted is None:
        raise DataError("This item has no true label; rank all rows or the predicted class.")
    return torch.nonzero(session.evidence.labels == wanted)[:, 0]


def _own_position(session: Session, item: Item) -> list[int]:
    """A training row must not explain itself."""
    if item.split != "train" or item.key is None:
        return []
    return [session.project.dataset.train.position(item.key)]


def _explanation(
    session: Session, item: Item, options: ExplainOptions, label: int, ranking: Ranking
) -> Explanation:
    train = session.project.dataset.train
    helpful, harmful = (
        _table(session, train, side[0]) for side in (ranking.helpful, ranking.harmful)
    )
    seen = ranking.scored, ranking.total, str(session.device), ranking.milliseconds
    return Explanation(item, options, label, helpful, harmful, *seen)


def _table(session: Session, train: Split, top: Top) -> pd.DataFrame:
    positions = top.positions
    ids = train.table.column("id").take(positions).to_pylist()
    return pd.DataFrame(
        {
            "rank": np.arange(1, len(positions) + 1),
            "key": train.keys[positions],
            "id": ids,
            "label": [session.classes[c] for c in train.labels[positions]],
            "influence": top.scores,
            "stderr": top.stderr,
        }
    )
