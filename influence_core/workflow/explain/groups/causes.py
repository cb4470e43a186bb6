"""Causes of a group of errors: the training rows that pushed it, sorted into at most eight kinds.

The strongest rows that together made half of the push are put together where they share a phrase
that other rows of their classes hardly use, and otherwise clustered by what the encoder sees, each
weighed by its own push. So a cause is many rows of one kind, and says how much of the push is its
own, what the rows are labelled, which words are theirs, and how many look mislabelled. Called by
`turnover causes` and the Errors page.
"""

import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from influence_core.cleansing.kinds import SMALLEST, Kind, kinds
from influence_core.data.keys import to_hex
from influence_core.labels.words import distinguishing, shared_phrases
from influence_core.progress import ProgressFn
from influence_core.workflow.explain.groups.group import Positions, Push, push_on
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session

PART = 0.5  # of the push: that of the rows that are sorted
FEW, MANY = 40, 500  # rows that are sorted at least, where so many pushed, and at most
OTHERS = 4_000  # rows of the same classes at most, against which words stand out
_SEED = 0x776F


@dataclass(frozen=True)
class Cause:
    """Rows of one kind behind a group of errors.

    Attributes:
        positions: (n,) of the training rows, the strongest first.
        medoid: the one of them that is most like the others.
        share: of the whole push, all rows that pushed taken together.
        labels: class name and rows of it, most first; "" is no label.
        words: that tell them from other rows of their classes, for texts.
        suspicious: keys of those that look mislabelled.
    """

    positions: Positions
    medoid: int
    share: float
    labels: tuple[tuple[str, int], ...]
    words: tuple[str, ...]
    suspicious: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.positions)

    def sentence(self, toward: str) -> str:
        """For people: 62 % of the push toward Coat comes from 41 rows of one kind."""
        rows = "1 row" if len(self) == 1 else f"{len(self):,} rows of one kind"
        bad = len(self.suspicious)
        looks = f"{bad:,} look{'s' * (bad == 1)} mislabelled" if bad else "none looks mislabelled"
        return f"{100 * self.share:.0f} % of the push toward {toward} comes from {rows}; {looks}."


@dataclass(frozen=True)
class Causes:
    """What is behind a group of items.

    Attributes:
        push: of every training row on the group.
        found: at most eight, those of the largest share first.
        toward: name of the class that all items are taken for; "" if they are of several.
        pushed: how many training rows pushed toward the predictions at all.
    """

    push: Push
    found: tuple[Cause, ...]
    toward: str
    pushed: int

    @property
    def rest(self) -> tuple[int, float]:
        """Rows that pushed and are in no cause, and their share of the push."""
        return (
            self.pushed - sum(map(len, self.found)),
            max(0.0, 1.0 - sum(cause.share for cause in self.found)) if self.found else 0.0,
        )

    def named(self, name: str) -> str:
        """What the push is toward, for sentences; `name` is the class as it is to be written."""
        return name if self.toward else "these predictions"


def causes_of(
    session: Session,
    split: str,
    items: Positions,
    *,
    estimator: str = "",
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Causes:
    """Find what pushed a group of items to where the model puts them.

    Args:
        split: of the items.
        items: (T,) their positions in it (`group.group_positions`).
        estimator: as in `push_on`.

    Raises:
        DataError: there is no item. CancelledError: it was stopped.
    """
    push = push_on(session, split, items, estimator=estimator, progress=progress, cancel=cancel)
    return causes_behind(session, push)


def causes_behind(session: Session, push: Push) -> Causes:
    """The same from a push that is known."""
    rows = sorted_rows(push)
    found: list[Kind] = []
    if len(rows):
        features = session.features.rows(torch.from_numpy(rows)).cpu().numpy()
        found = kinds(features, push.score[rows], known=_phrases(session, rows))
    bad = suspects(session) if found else frozenset()
    causes = tuple(_cause(session, push, rows, kind, bad) for kind in found)
    classes = np.unique(push.predicted)
    toward = session.classes[int(classes[0])] if len(classes) == 1 else ""
    return Causes(push, causes, toward, int((push.score > 0).sum()))


def sorted_rows(push: Push) -> Positions:
    """The strongest rows that made `PART` of the push, from `FEW` to `MANY` of them."""
    rows = push.strongest(MANY)
    reached = np.cumsum(push.score[rows], dtype=np.float64) >= PART * push.total
    enough = int(reached.argmax()) + 1 if reached.any() else len(rows)
    return rows[: max(FEW, enough)]


def _cause(session: Session, push: Push, rows: Positions, kind: Kind, bad: frozenset[int]) -> Cause:
    own, train = rows[kind.rows], session.project.dataset.train
    counts = Counter(train.labels[own].tolist()).most_common()
    labels = tuple((session.classes[c] if c >= 0 else "", n) for c, n in counts)
    share = float(push.score[own].sum(dtype=np.float64)) / push.total
    keys = train.keys[own].tolist()
    words = _words(session, own)
    return Cause(
        own, int(rows[kind.medoid]), share, labels, words, tuple(k for k in keys if k in bad)
    )


def _words(session: Session, own: Positions) -> tuple[str, ...]:
    """Of texts, against other rows of the same classes."""
    train = session.project.dataset.train
    if train.content_column != "text":
        return ()
    return distinguishing(train.texts(own), train.texts(_others(session, own)))


def _phrases(session: Session, rows: Positions) -> list[Positions]:
    """Of texts, those of the rows that share a phrase, as indices of `rows`."""
    train = session.project.dataset.train
    if train.content_column != "text":
        return []
    return shared_phrases(train.texts(rows), train.texts(_others(session, rows)), SMALLEST)


def _others(session: Session, own: Positions) -> Positions:
    """Other rows of the same classes, or a sample of them, ascending."""
    train = session.project.dataset.train
    others = np.isin(train.labels, train.labels[own])
    others[own] = False
    pool = np.random.default_rng(_SEED).permutation(np.flatnonzero(others))[:OTHERS]
    return np.sort(pool)


def plain_causes(session: Session, causes: Causes, top: int) -> dict[str, Any]:
    """As JSON: keys as hexadecimal, at most `top` rows a cause."""
    rows, share = causes.rest
    return {
        "items": len(causes.push.items),
        "toward": causes.toward or None,
        "estimator": causes.push.estimator,
        "rows_that_pushed": causes.pushed,
        "causes": [_plain(session, causes, cause, top) for cause in causes.found],
        "other_rows": {"rows": rows, "share": share},
    }


def _plain(session: Session, causes: Causes, cause: Cause, top: int) -> dict[str, Any]:
    return {
        "sentence": cause.sentence(causes.named(causes.toward)),
        "rows": len(cause),
        "share": cause.share,
        "labels": dict(cause.labels),
        "words": list(cause.words),
        "suspicious": [to_hex(key) for key in cause.suspicious],
        "medoid": listed(session, causes, [cause.medoid])[0],
        "strongest": listed(session, causes, cause.positions[:top]),
    }


def listed(
    session: Session, causes: Causes, positions: Sequence[int] | npt.NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Training rows as plain values: key, id, label, influence, and the text of texts."""
    train = session.project.dataset.train
    at = np.asarray(positions, dtype=np.int64)
    ids = train.table.column("id").take(at).to_pylist()
    texts = train.texts(at) if train.content_column == "text" else [None] * len(at)
    return [
        {
            "key": to_hex(int(train.keys[p])),
            "id": name,
            "label": session.classes[train.labels[p]] if train.labels[p] >= 0 else None,
            "influence": float(causes.push.score[p]),
            **({} if text is None else {"text": text}),
        }
        for p, name, text in zip(at.tolist(), ids, texts, strict=True)
    ]
