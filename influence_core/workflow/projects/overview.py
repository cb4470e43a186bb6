"""What stands in a project, in a few figures: one card of the Projects page.

Only small files are read: the settings, the data's header, the records of the runs, two columns of
the newest run's row table, and the reviews. No features, no model, no content. What was found is
kept as long as none of these files has changed, so a page may ask as often as it likes.
"""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from influence_core.data.dataset import Modality
from influence_core.disk.fingerprint import of_json
from influence_core.errors import TurnoverError
from influence_core.store.project import Project
from influence_core.store.reviews.events import FAULTY
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews, shared_database
from influence_core.store.runs import RECORD, Run, RunRecord
from influence_core.store.settings import SETTINGS
from influence_core.store.tables import HEADER, train_hashes
from influence_core.workflow.review.scores import flagged_keys

Stamp = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Overview:
    """A project at a glance.

    Attributes:
        folder: name of its folder in the home of projects.
        name: shown to people.
        problem: why it cannot be opened, in one sentence; "" if it can. The rest is empty then.
        modality: "image" or "text".
        rows: number of rows by split.
        classes: class names in label order.
        runs: number of runs of this data.
        last: record of the newest run, or None.
        accuracy: share in [0, 1] of right predictions of that run, or None.
        accuracy_of: the split that it is about.
        suspicious: training rows whose label the newest run doubts, or None without a run.
        open: how many of those nobody has decided about, or None without a run.
        decided: training rows that somebody has decided about.
        fixed: how many of them are relabelled or left out.
        decisions: fingerprint of what these decisions say.
    """

    folder: str
    name: str
    problem: str = ""
    modality: Modality = "text"
    rows: Mapping[str, int] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    runs: int = 0
    last: RunRecord | None = None
    accuracy: float | None = None
    accuracy_of: str = ""
    suspicious: int | None = None
    open: int | None = None
    decided: int = 0
    fixed: int = 0
    decisions: str = ""


@dataclass(frozen=True)
class _Files:
    """What the files say, and the training rows whose label the newest run doubts."""

    stamp: Stamp
    card: Overview
    doubted: frozenset[int] = frozenset()


@dataclass
class _Decisions:
    """Keys with a decision that counts, and up to where the reviews were read."""

    stamp: Stamp | None = None
    state: ReviewState = field(default_factory=ReviewState)
    keys: frozenset[int] = frozenset()
    fixes: tuple[tuple[int, str], ...] = ()  # keys with their new labels, "" where left out


_files: dict[Path, _Files] = {}
_decisions: dict[Path, _Decisions] = {}
_lock = threading.Lock()


def overviews(home: Path) -> list[Overview]:
    """All projects of a home, by folder name; a damaged one says what is wrong with it."""
    folders = (path.parent for path in sorted(home.glob(f"*/{SETTINGS}")))
    return [overview(folder) for folder in folders if not folder.name.startswith(".")]


def overview(root: Path) -> Overview:
    """One project; never raises on a damaged one, which has `problem` set instead."""
    with _lock:
        try:
            project = Project.open(root)
            found = _read_files(project)
            decided = _decided(project)
        except TurnoverError as error:
            return Overview(root.name, root.name, problem=str(error))
    card = replace(
        found.card,
        decided=len(decided.keys),
        fixed=len(decided.fixes),
        decisions=of_json([list(fix) for fix in decided.fixes])[:16],
    )
    if card.last is None:
        return card
    left = found.doubted - decided.keys
    return replace(card, suspicious=len(found.doubted), open=len(left))


def _read_files(project: Project) -> _Files:
    stamp = _stamp(project.root)
    known = _files.get(project.root)
    if known is not None and known.stamp == stamp:
        return known
    header = project.header
    runs = [record for record in project.runs() if record.fingerprint == project.fingerprint]
    last = runs[0] if runs else None
    accuracy_of, accuracy = ("", None) if last is None else _accuracy(last)
    card = Overview(
        folder=project.root.name,
        name=project.name,
        modality=project.settings.modality,
        rows=dict(header.splits),
        classes=header.classes,
        runs=len(runs),
        last=last,
        accuracy=accuracy,
        accuracy_of=accuracy_of,
    )
    doubted = frozenset() if last is None else _doubted(project.run(last.id))
    _files[project.root] = _Files(stamp, card, doubted)
    return _files[project.root]


def _accuracy(record: RunRecord) -> tuple[str, float | None]:
    """Of the test split if there is one, else of valid, else of the flipped side on train."""
    for split, metric in (
        ("test", "test_accuracy"),
        ("valid", "valid_accuracy"),
        ("train, flipped side", "flipped_accuracy"),
    ):
        if metric in record.metrics:
            return split, float(record.metrics[metric])
    return "", None


def _doubted(run: Run) -> frozenset[int]:
    """Keys of the training rows whose label the run flags."""
    return flagged_keys(run) if run.has_table("rows") else frozenset()


def _decided(project: Project) -> _Decisions:
    """What was decided and counts; no database is made where there is none."""
    shared = bool(shared_database(project))
    local = [project.root / "reviews.db", project.root / "reviews.db-wal"]
    if not shared and not local[0].is_file():
        return _Decisions()
    known = _decisions.setdefault(project.root, _Decisions())
    stamp = _times(local)
    if shared or stamp != known.stamp:
        store = open_reviews(project)
        try:
            known.state.catch_up(store)
        finally:
            store.close()
        keys, hashes = train_hashes(project.root / "data")
        words = {int(keys[p]): word for p, word in known.state.counting(keys, hashes).items()}
        known.keys = frozenset(words)
        known.fixes = tuple(
            (key, words[key].new_label or "") for key in sorted(words)
            if words[key].outcome in FAULTY
        )  # fmt: skip
        known.stamp = stamp
    return known


def _stamp(root: Path) -> Stamp:
    """Of all files but the reviews that an overview is made from."""
    files = [root / SETTINGS, root / "data" / HEADER]
    for record in sorted(root.glob(f"runs/*/{RECORD}")):
        files += [record, record.parent / "rows.parquet"]
    return _times(files)


def _times(files: Iterable[Path]) -> Stamp:
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return tuple(found)
