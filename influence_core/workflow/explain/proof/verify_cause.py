"""*Verify* for a cause: retrain without its rows, or with their labels fixed, beside random rows.

    verified/<run>-cause-<items and rows>-<fix>.json   the last outcome of each question

Measured on the group that the cause is behind, and on all other labelled items of its split, which
say what it costs. The group is these very items, so its intervals are over retrainings, and over
draws of random rows; the others are a sample, so theirs are over items, too. Without any rows of
these classes a group of errors gets a little better, so the change must exceed that of random rows:
start by start, as starts differ more than draws do (benchmarks/causes.md).
Called by `turnover causes --verify`, which the Errors page starts as a job.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch

from influence_core.cleansing.choose import Selection
from influence_core.cleansing.verdict import Difference, paired
from influence_core.data.keys import from_hex, to_hex
from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.fingerprint import of_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.records import Figure, Stored, build, plain
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.workflow.evaluate.arms import retrained
from influence_core.workflow.explain.groups.group import Positions
from influence_core.workflow.explain.items import class_number
from influence_core.workflow.explain.proof.verify import FOLDER
from influence_core.workflow.review.scores import flagged_rows
from influence_core.workflow.review.suspects import suspects
from influence_core.workflow.session import Session

SUGGESTED = "suggested"  # those that look mislabelled get the label that is suggested
SEEDS = 10
_FORMAT = "verified-cause"

Keys = Annotated[
    tuple[int, ...],
    Stored(lambda value: tuple(from_hex(key) for key in value), lambda keys: [*map(to_hex, keys)]),
]


@dataclass(frozen=True)
class CauseQuestion:
    """What is verified.

    Attributes:
        split: of the items.
        items, rows: keys of the group's items and of the cause's training rows.
        fix: "" leaves the rows out; a class name relabels all of them; `SUGGESTED` relabels those
            that look mislabelled.
    """

    split: str
    items: Keys
    rows: Keys
    fix: str = ""


@dataclass(frozen=True)
class Part:
    """Accuracy on some items: with all rows, changed, and the differences with 95 % intervals.

    `changed` and `random` are each against all rows; `random` is without random rows. `beyond` is
    what `changed` has more than that; None of what an earlier version measured.
    """

    items: int
    before: Figure
    after: Figure
    changed: Difference
    random: Difference
    beyond: Difference | None = None


@dataclass(frozen=True)
class VerifiedCause:
    """What retraining showed, on the group and on everything else (None if there is nothing)."""

    question: CauseQuestion
    changed_rows: int
    group: Part
    rest: Part | None

    @property
    def helps(self) -> bool:
        """Whether the group gets better beyond its interval, and more so than by random rows."""
        part = self.group
        if part.beyond is None:
            return part.changed.low > 0.0 >= part.random.low
        return part.changed.low > 0.0 and part.beyond.low > 0.0

    def sentence(self) -> str:
        """For people."""
        fix, rows = self.question.fix, self.changed_rows
        these = "this row" if rows == 1 else f"these {rows:,} rows"
        how = f"Without {these}" if not fix else f"With {these} relabelled"
        group, rest = self.group, self.rest
        said = (
            f"{how} the model is right about {_percent(group.after)} of the {group.items:,} items "
            f"instead of {_percent(group.before)} ({_points(group.changed)}); without as many "
            f"random rows of the same classes: {_points(group.random)}."
        )
        if group.beyond is not None:
            said = f"{said} Beyond random rows: {_points(group.beyond)}."
        if rest is None:
            return said
        return f"{said} On the other {rest.items:,} items: {_points(rest.changed)}."


def verify_cause(
    session: Session,
    question: CauseQuestion,
    *,
    seeds: int = SEEDS,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> VerifiedCause:
    """Retrain, measure, and keep the outcome with the project.

    Args:
        seeds: retrainings of each arm, with a start and masks of their own.

    Raises:
        DataError: items of the training split, none with a label, or nothing to change.
        ModelError: there is no such class. StoreError: it cannot be kept.
    """
    if question.split == "train":
        raise DataError(
            "Training rows are learned from, so nothing can be verified on them; choose a group "
            "of another split."
        )
    split = session.project.dataset.split(question.split)
    truth = np.asarray(split.labels)
    inside = np.zeros(len(split), dtype=np.bool_)
    inside[split.positions_of(np.array(question.items, dtype=np.uint64))] = True
    if not (inside & (truth >= 0)).any():
        raise DataError("No item of the group has a label, so there is nothing to be right about.")
    labelled = np.flatnonzero(truth >= 0)
    change = change_of(session, question)
    x = session.split_features(question.split).rows(torch.from_numpy(labelled))
    seen = retrained(session, change, x, seeds=seeds, progress=progress, cancel=cancel)
    right = seen.argmax(3) == truth[labelled]  # (G, S, T)
    here = inside[labelled]
    rest = None if here.all() else _rest(right[:, :, ~here])
    made = VerifiedCause(question, len(change), _group(right[:, :, here]), rest)
    write_json(_path(session.project, session.run.id, question), stamped(_FORMAT, plain(made)))
    return made


def change_of(session: Session, question: CauseQuestion) -> Selection:
    """What the question changes among the training rows.

    Raises:
        DataError: none of the rows would change. ModelError: there is no such class.
    """
    train = session.project.dataset.train
    rows = train.positions_of(np.array(question.rows, dtype=np.uint64))
    if not question.fix:
        change = Selection(rows)
    else:
        change = Selection(np.array([], dtype=np.int64), _relabelled(session, rows, question.fix))
    if not len(change):
        raise DataError("None of these rows would get another label; leave them out instead.")
    return change


def _relabelled(session: Session, rows: Positions, fix: str) -> dict[int, int]:
    train = session.project.dataset.train
    given = train.labels
    if fix != SUGGESTED:
        new = class_number(session, fix)
        return {int(p): new for p in rows if new is not None and given[p] != new}
    bad = suspects(session)
    if not bad:
        return {}
    table = flagged_rows(session.run)
    suggested = dict(zip(table["key"].tolist(), table["suggested"].tolist(), strict=True))
    keys = train.keys[rows].tolist()
    return {int(p): suggested[k] for p, k in zip(rows, keys, strict=True) if k in bad}


def kept_causes(project: Project, run: str, question: CauseQuestion) -> tuple[VerifiedCause, ...]:
    """What was verified of these items and rows, whatever the fix, the newest first.

    Raises:
        StoreError: a file is damaged.
    """
    found = _path(project, run, question)
    name = found.name.removesuffix(_ending(question))
    paths = found.parent.glob(f"{name}*.json")
    newest = sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    advice = "delete it and verify again"
    return tuple(
        build(VerifiedCause, upgraded(_FORMAT, read_json(path), path), path, advice)
        for path in newest
    )


def _group(right: np.ndarray) -> Part:
    """Of which items were right: (G, S, T) for all rows, changed, and each random draw."""
    before, changed, *random = right.mean(2)  # (S,) each
    draws = np.stack(random, axis=1)  # (S, K)
    return Part(
        right.shape[2], float(before.mean()), float(changed.mean()), paired(changed, before),
        paired(draws, before[:, None]), paired(changed[:, None], draws),
    )  # fmt: skip


def _rest(right: np.ndarray) -> Part:
    """The same of items that stand for others like them."""
    before, after = float(right[0].mean()), float(right[1].mean())
    return Part(
        right.shape[2], before, after, paired(right[1], right[0]), paired(right[2:], right[0])
    )


def _path(project: Project, run: str, question: CauseQuestion) -> Path:
    about = of_json(plain(replace(question, fix="")))[:12]
    return project.root / FOLDER / f"{run}-cause-{about}{_ending(question)}"


def _ending(question: CauseQuestion) -> str:
    return f"-{of_json(question.fix)[:6]}.json"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _points(d: Difference) -> str:
    told = f"{100 * d.mean:+.1f} points, 95 % interval {100 * d.low:+.1f} to {100 * d.high:+.1f}"
    return told.replace("-", "−") if np.isfinite(d.low) else f"{100 * d.mean:+.1f} points"


def question_of(
    split: str, items: Sequence[int], rows: Sequence[int], fix: str = ""
) -> CauseQuestion:
    """The question about these keys; in one order, so that it is found again."""
    return CauseQuestion(split, tuple(sorted(map(int, items))), tuple(sorted(map(int, rows))), fix)
