"""The score that moves: the accuracy now, and with what people decided so far.

    score.json   every measurement, oldest first: its history is part of the report

`measure` retrains a few small heads with the labels as given and with the decisions, from the same
starts, and keeps the difference. Decisions that were measured once are never measured again, also
where an undo brings them back. `standing` reads small files only, so every page may ask for it.
Called by `turnover score`, which pages start as a job, by the strip above every page, and by the
report of a cleansing.
"""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from influence_core.cleansing.verdict import paired
from influence_core.disk.atomic import read_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.locks import update_json
from influence_core.disk.records import Figure, build, plain
from influence_core.errors import DataError
from influence_core.progress import ProgressFn
from influence_core.store.project import Project
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.cleanse.target_split import TargetSplit, target_items
from influence_core.workflow.cleanse.trials import selection_of
from influence_core.workflow.evaluate.arms import retrained
from influence_core.workflow.other_splits import need_labelled_splits
from influence_core.workflow.projects.overview import overview
from influence_core.workflow.session import Session

FILE = "score.json"
SEEDS = 4  # heads of one member with the labels as given, and as many with the decisions
OFTEN = 10  # decisions after which the score is measured again without being asked


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        created: UTC time, ISO 8601.
        run: whose recipe, encoder and accuracy.
        split: whose accuracy is meant.
        decisions: fingerprint of the decisions that count.
        decided: training rows with a decision.
        fixed: how many of them are relabelled or left out.
        accuracy: share in [0, 1] that the run predicts right.
        mean, low, high: how far the decisions move it, with a 95 % interval.
    """

    created: str
    run: str
    split: str
    decisions: str
    decided: int
    fixed: int
    accuracy: Figure
    mean: Figure
    low: Figure
    high: Figure

    @property
    def words(self) -> str:
        """ "about 90.1 % with 42 labels fixed (+0.7 points, +0.2 to +1.2)"."""
        points = ", ".join(
            (f"{100 * self.mean:+.1f} points", f"{100 * self.low:+.1f} to {100 * self.high:+.1f}")
        )
        after = min(max(self.accuracy + self.mean, 0.0), 1.0)
        return f"about {100 * after:.1f}\u00a0% with {_labels(self.fixed)} fixed ({points})"


@dataclass(frozen=True)
class Standing:
    """Where a project stands.

    Attributes:
        run: id of its newest run.
        split: whose accuracy; `accuracy` is a share in [0, 1].
        fixed: training rows that decisions relabel or leave out.
        left: suspicious rows that nobody has decided about.
        exported: day of the last export, ISO 8601, or "".
        change: the newest measurement of this run, or None.
        behind: decisions that `change` does not know, about; 0 where it knows all.
    """

    run: str
    split: str
    accuracy: float
    fixed: int
    left: int
    exported: str
    change: Point | None
    behind: int

    @property
    def due(self) -> bool:
        """Whether so much was decided that it is worth a retraining nobody asked for."""
        return self.behind >= OFTEN

    @property
    def parts(self) -> tuple[str, ...]:
        """What is said of it, the same everywhere."""
        now = f"{100 * self.accuracy:.1f}\u00a0% of {self.split} right"
        if self.change is not None and self.fixed:
            now += f" → {self.change.words}"
        day = datetime.fromisoformat(self.exported) if self.exported else None
        return (
            now,
            *(() if self.change is not None and self.fixed else (f"{_labels(self.fixed)} fixed",)),
            f"{self.left:,} left to review",
            f"last export {day:%d %b %Y}".replace(" 0", " ") if day else "not exported yet",
        )


def standing(project: Project) -> Standing | None:
    """Where the project stands; None without a run whose accuracy is known, or a damaged one."""
    card = overview(project.root)
    if card.problem or card.last is None or card.accuracy is None:
        return None
    known = [point for point in history(project) if point.run == card.last.id]
    exact = next((point for point in known if point.decisions == card.decisions), None)
    change = exact or (known[-1] if known else None)
    behind = 0
    if exact is None and (card.fixed or change is not None):
        behind = max(1, abs(card.decided - (0 if change is None else change.decided)))
    return Standing(
        run=card.last.id,
        split=card.accuracy_of,
        accuracy=card.accuracy,
        fixed=card.fixed,
        left=card.open or 0,
        exported=_exported(project.exports_folder),
        change=change,
        # The training rows' own accuracy is nothing that a retraining is measured by.
        behind=behind if card.fixed and not card.accuracy_of.startswith("train") else 0,
    )


def history(project: Project) -> list[Point]:
    """Every measurement, oldest first.

    Raises:
        StoreError: the file is damaged.
    """
    path = project.root / FILE
    if not path.is_file():
        return []
    value = upgraded("score", read_json(path), path)
    return list(build(_History, value, path, "delete it and measure again").points)


def measure(
    session: Session,
    *,
    seeds: int = SEEDS,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Point:
    """How far the decisions so far move the accuracy; kept, and not measured twice.

    Raises:
        DataError: no decision changes a training row, or no split but train has labels.
    """
    project = session.project
    card = overview(project.root)
    splits = need_labelled_splits(project, "A score")
    for point in history(project):
        if (point.run, point.decisions) == (session.run.id, card.decisions):
            return point
    edits, _ = decided_edits(project)
    if not edits:
        raise DataError(
            "No decision relabels a training row or leaves one out, so there is nothing to "
            "measure; decide on the Labels page, or with: turnover decide"
        )
    split = next(name for name in ("test", "valid", *splits) if name in splits)
    items = target_items(session, TargetSplit(split))
    # No control: this tells where one stands, not whether the decisions beat chance.
    seen = retrained(
        session, selection_of(session, edits), items.features, seeds=seeds, draws=0,
        progress=progress, cancel=cancel,
    )  # fmt: skip
    right = seen.argmax(3) == items.labels.cpu().numpy()  # (2, S, T)
    moved = paired(right[1], right[0])
    point = Point(
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        run=session.run.id,
        split=split,
        decisions=card.decisions,
        decided=card.decided,
        fixed=len(edits),
        accuracy=float(session.run.record.metrics[f"{split}_accuracy"]),
        mean=moved.mean,
        low=moved.low,
        high=moved.high,
    )
    _keep(project, point)
    return point


@dataclass(frozen=True)
class _History:
    points: tuple[Point, ...]


def _keep(project: Project, point: Point) -> None:
    def longer(value: dict[str, object]) -> dict[str, object]:
        points = value.get("points")
        known = points if isinstance(points, list) else []
        return stamped("score", {"points": [*known, plain(point)]})

    update_json(project.root / FILE, longer)


def _exported(folder: Path) -> str:
    """When the newest manifest was written."""
    times = [path.stat().st_mtime for path in folder.glob("*.manifest.json")]
    return datetime.fromtimestamp(max(times), UTC).date().isoformat() if times else ""


def _labels(count: int) -> str:
    return f"{count:,} {'label' if count == 1 else 'labels'}"
