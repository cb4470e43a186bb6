"""The verb `verify`: rank, choose how many rows, retrain without them, and keep what came out.

    verified/<run>-<key>-<question>.json   the last outcome of each question about an item

How many: as many as are expected to change the prediction, told by the replay where the list is
one, else by a few small retrainings. The fewest rows are searched along the list and, where it is a
replay's, adaptively. Called by `turnover verify`, which the Errors page starts as a job and whose
outcome it shows whenever the item is opened again.
"""

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from influence_core.data.keys import content_hashes, from_hex, to_hex
from influence_core.disk.atomic import atomic_file, read_json, write_json
from influence_core.disk.fingerprint import of_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import Figure, Stored, build, plain
from influence_core.errors import DataError
from influence_core.evaluation.change import predicted_change
from influence_core.evaluation.flip_size import estimated_flip
from influence_core.progress import Progress, ProgressFn
from influence_core.store.project import Project
from influence_core.workflow.evaluate.changes import calibration_of
from influence_core.workflow.explain.explain import Among, ExplainOptions, explain
from influence_core.workflow.explain.items import Item, Toward
from influence_core.workflow.explain.proof.fewest import replayed_strengths
from influence_core.workflow.explain.proof.prove import (
    Expected,
    ProofReport,
    prove,
    proving,
    smallest_flip,
)
from influence_core.workflow.session import Session

Array = npt.NDArray[Any]
Side = Literal["helpful", "harmful"]
FOLDER = "verified"
MOST = 500  # rows along which sizes are estimated and searched
_UNITS = 100


@dataclass(frozen=True)
class Question:
    """What is verified about an item.

    Attributes:
        estimator, toward, among: as in `ExplainOptions`.
        side: whose rows are left out.
        smallest: whether the fewest rows that change the prediction are searched.
    """

    estimator: str
    toward: Toward = "predicted"
    among: Among = "all"
    side: Side = "helpful"
    smallest: bool = False


def _table(value: Any) -> pd.DataFrame | None:
    if value is None:
        return None
    frame = pd.DataFrame(value)
    if not {"arm", "class", "probability", "half", "predicted"} <= set(frame.columns):
        raise ValueError("a column is missing")
    return frame


Table = Annotated[
    pd.DataFrame | None,
    Stored(_table, lambda frame: None if frame is None else frame.to_dict("list")),
]
Key = Annotated[int, Stored(from_hex, to_hex)]


@dataclass(frozen=True)
class PredictedChange:
    """A probability of this very model: before, predicted without the rows (± half), retrained."""

    label: str
    before: Figure
    predicted: Figure
    half: Figure
    retrained: Figure


@dataclass(frozen=True)
class Verified:
    """What retraining showed.

    Attributes:
        question: what was asked.
        sentence: the outcome, for people.
        keys: of the rows that were left out; none where no set was found.
        expected: how many rows were expected to change the prediction; None where
            even all listed ones were not, or where nobody asked.
        changed: whether most retrainings without the rows predict another class.
        label: class whose probability `table` is read for.
        table: as `ProofReport.table`; None where no set was found.
        this_model: what was predicted of this very model, and what became of it.
    """

    question: Question
    sentence: str
    keys: tuple[Key, ...]
    expected: int | None
    changed: bool
    label: str
    table: Table = None
    this_model: PredictedChange | None = None


def verify(
    session: Session,
    item: Item,
    question: Question,
    count: int = 0,
    *,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Verified:
    """Answer one question about an item, and keep the outcome with the project.

    Args:
        count: rows to leave out, from the top of the list; 0 for as many as are expected to change
            the prediction, or all that are listed where even they are not.

    Raises:
        DataError: a list without rows. StoreError: it cannot be kept.
    """
    tell = _Phases(progress)
    options = ExplainOptions(question.estimator, question.toward, question.among, MOST)
    answer = explain(session, item, options, progress=tell.of(0.0, 0.15), cancel=cancel)
    asked = session.classes[answer.label]
    table = answer.helpful if question.side == "helpful" else answer.harmful
    keys = table["key"].to_numpy()[: max(1, len(session.evidence) // 2)]
    if not len(keys):
        raise DataError("No training row stands on this side of the list; choose the other side.")
    told, expected = answer.effects, None
    if told is not None:  # by a replay: how far each row moves this very model
        own = getattr(told, question.side)[:, : len(keys)]
        expected = flipping_size(session, item, answer.label, told.log_proba, own)
    elif not (count or question.smallest):
        places = session.project.dataset.train.positions_of(keys.astype(np.uint64))
        guess = tell.of(0.15, 0.35)
        expected = estimated_flip(proving(session, item), places, progress=guess, cancel=cancel)
    if question.smallest:
        again = None
        if told is not None and item.split != "train":
            again = replayed_strengths(
                session, item, answer.label, question.side, question.among, cancel
            )
        found = smallest_flip(
            session, item, keys, strengths=again, progress=tell.of(0.35, 1.0), cancel=cancel
        )
        made = _outcome(session, question, asked, found.sentence, found.keys, expected, found.proof)
    else:
        size = min(count or expected or len(keys), len(keys))
        whole = None
        if told is not None:
            whole = Expected.of(told, answer.label, question.side, size)
        report = prove(
            session, item, keys[:size], expected=whole, progress=tell.of(0.35, 1.0), cancel=cancel
        )
        sentence, out = report.sentence, keys[:size]
        made = _outcome(session, question, asked, sentence, out, expected, report)
    path = _path(session.project, session.run.id, key_of(item), question)
    write_json(path, stamped("verified", plain(made)))
    return made


def key_of(item: Item) -> int:
    """The item's key; of a sentence or picture of one's own, one made of its content."""
    if item.key is not None:
        return item.key
    if item.content is None:
        raise DataError("This item has neither a key nor content; name one of a split by its id.")
    return int(content_hashes([item.content])[0])


def own_picture(project: Project, item: Item) -> Path:
    """Where a picture of one's own lies for the process that verifies it."""
    return project.root.resolve() / FOLDER / f"own-{to_hex(key_of(item))}.picture"


def keep_own(project: Project, item: Item) -> Path:
    """Write it there. Raises StoreError where it cannot be written."""
    path = own_picture(project, item)
    with atomic_file(path) as temporary:
        temporary.write_bytes(item.content if isinstance(item.content, bytes) else b"")
    return path


def kept_verified(
    project: Project, run: str, key: int, questions: Sequence[Question]
) -> Verified | None:
    """The newest outcome of these questions about an item; None if none was verified.

    Raises:
        StoreError: the file is damaged.
    """
    paths = [path for q in questions if (path := _path(project, run, key, q)).is_file()]
    if not paths:
        return None
    path = max(paths, key=lambda one: one.stat().st_mtime_ns)
    advice = "delete it and verify again"
    return build(Verified, upgraded("verified", read_json(path), path), path, advice)


def flipping_size(
    session: Session,
    item: Item,
    label: int,
    log_proba: Array,
    effects: Array,
) -> int | None:
    """How many rows from the top of a list are expected to change the prediction.

    The probability of the label asked about moves as `evaluation.change` says; the other classes
    share what is left as they do now.

    Args:
        label: class asked about.
        log_proba: (E,) of it, each member's own.
        effects: (E, k) of the listed rows on each member's loss, in the list's order.

    Returns:
        At least 1; None where even all k are not expected to.
    """
    calibration = calibration_of(session.run)
    others = np.delete(item.proba.astype(np.float64), label)
    rest = max(float(others.sum()), 1e-12)
    best, leads = float(others.max()) / rest, item.predicted == label
    for size, total in enumerate(np.cumsum(effects, axis=1).T, 1):
        p = predicted_change(log_proba, total, calibration).after
        if (p > best * (1.0 - p)) != leads:
            return size
    return None


def _outcome(
    session: Session,
    question: Question,
    asked: str,
    sentence: str,
    keys: Array,
    expected: int | None,
    report: ProofReport | None,
) -> Verified:
    label = "" if report is None else session.classes[report.label]
    this = None
    if report is not None and report.change is not None and report.actual is not None:
        change, actual = report.change, report.actual
        this = PredictedChange(asked, actual.before, change.after, change.half, actual.after)
    return Verified(
        question,
        sentence,
        tuple(int(key) for key in keys),
        expected,
        report is not None and report.proof.flips,
        label,
        None if report is None else report.table,
        this,
    )


def _path(project: Project, run: str, key: int, question: Question) -> Path:
    name = f"{run}-{to_hex(key)}-{of_json(asdict(question))[:12]}.json"
    return project.root / FOLDER / name


class _Phases:
    """One bar over all phases: each event becomes a share of the whole, in per cent."""

    def __init__(self, tell: ProgressFn | None) -> None:
        self._tell, self._done, self._searched = tell, 0, False

    def of(self, start: float, end: float) -> ProgressFn:
        """What a phase tells; a bar never goes back, also where a phase has stages of its own."""

        def told(event: Progress) -> None:
            share = start + (end - start) * min(event.done / max(event.total, 1), 1.0)
            if event.stage == "search":  # the proof of what was found follows
                self._searched = True
                share = start + 0.7 * (share - start)
            elif self._searched:
                share = end - 0.3 * (end - share)
            self._done = max(self._done, round(_UNITS * share))
            if self._tell:
                self._tell(Progress("verify", self._done, _UNITS, event.message))

        return told
