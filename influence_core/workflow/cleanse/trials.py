"""What was measured about a kept cleansing: trials of single rounds, and a sweep over shares.

    cleansings/<id>/trial-<round>.json   one trial (`workflow.cleanse.trial`)
    cleansings/<id>/sweep.json           a trial per share removed, written after each; shares of
                                         another sweep (seeds, code, run, splits) are replaced

What is stopped or killed goes on where it was (`workflow.train.resume`). The Cleanse page shows
what is there.
"""

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from influence_core.cleansing.choose import Selection
from influence_core.disk.atomic import read_json, write_json
from influence_core.disk.checkpoint import Parts
from influence_core.disk.fingerprint import of_code, of_json
from influence_core.disk.formats import stamped, upgraded
from influence_core.disk.locks import locked
from influence_core.disk.records import build, plain
from influence_core.errors import DataError, StoreError
from influence_core.progress import Progress, ProgressFn, check_cancel
from influence_core.store.exports.edits import Edit
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import Cleansing, load_cleansing, results_folder
from influence_core.workflow.cleanse.trial import Trial, trial
from influence_core.workflow.other_splits import need_labelled_splits
from influence_core.workflow.session import Session
from influence_core.workflow.train.resume import unfinished

FRACTIONS = (0.01, 0.02, 0.05, 0.10, 0.20)
SWEEP = "sweep.json"
_ADVICE = "delete it and try again"


def selection_of(session: Session, edits: Sequence[Edit]) -> Selection:
    """Edits as positions among the training rows: removed in their order, relabelled."""
    return selection_of_edits(session.project, edits)


def selection_of_edits(project: Project, edits: Sequence[Edit]) -> Selection:
    """The same without an open run."""
    train, classes = project.dataset.train, project.dataset.classes
    keys = np.array([edit.key for edit in edits], dtype=np.uint64)
    positions = train.positions_of(keys)
    gone = [p for p, e in zip(positions.tolist(), edits, strict=True) if e.action == "remove"]
    new = {
        p: classes.index(e.new_label)
        for p, e in zip(positions.tolist(), edits, strict=True)
        if e.new_label is not None
    }
    return Selection(np.array(gone, dtype=np.int64), new)


def run_trial(
    session: Session,
    name: str,
    number: int | None = None,
    *,
    seeds: int = 10,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> Trial:
    """Try a round of a kept cleansing and keep what came out.

    Raises:
        DataError: nothing would change, or no split but train has labels.
        StoreError: it cannot be read or written.
    """
    splits = need_labelled_splits(session.project, "A trial")
    found = load_cleansing(session.project, name)
    change = selection_of(session, found.edits(number))
    begun = _begun(session, change, seeds)
    result = trial(
        session,
        change,
        splits,
        seeds=seeds,
        progress=progress,
        cancel=cancel,
        unfinished=begun,
    )
    path = _trial_path(session.project, name, found, number)
    write_json(path, stamped("trial", plain(result)))
    begun.discard()
    return result


def kept_trial(project: Project, name: str, number: int | None = None) -> Trial | None:
    """The kept trial of a round, None if it was not tried.

    Raises:
        StoreError: the file is damaged.
    """
    path = _trial_path(project, name, load_cleansing(project, name), number)
    if not path.is_file():
        return None
    return build(Trial, upgraded("trial", read_json(path), path), path, _ADVICE)


def run_sweep(
    session: Session,
    name: str,
    fractions: Sequence[float] = FRACTIONS,
    *,
    seeds: int = 5,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> pd.DataFrame:
    """Try removing more and more of what scores chose; shares that are done are not done again.

    Args:
        session, name: a kept cleansing with rows enough for the largest share; smaller shares are
            its first rows.
        fractions: shares of the training rows.
        seeds: retrainings of each arm.
        progress, cancel: as everywhere.

    Returns:
        As `kept_sweep`.

    Raises:
        DataError: the cleansing has too few rows even for the smallest share, or no split but train
            has labels.
    """
    splits = need_labelled_splits(session.project, "A sweep")
    found = load_cleansing(session.project, name)
    counts = {f: round(f * len(session.evidence)) for f in sorted(fractions)}
    reachable = {f: count for f, count in counts.items() if 0 < count <= len(found.computed)}
    if not reachable:
        raise DataError(
            f"Cleansing '{name}' holds {len(found.computed):,} rows, too few for a sweep; cleanse "
            "with a larger --drop and --patience 0 first."
        )
    path = results_folder(session.project, name) / SWEEP
    # All that decides a share's result; shares of a sweep with anything else are never mixed in.
    about = [session.run.id, session.project.fingerprint, of_code(), session.device.type, splits]
    own = of_json([*about, seeds, [plain(edit) for edit in found.computed]])
    for step, (fraction, count) in enumerate(reachable.items()):
        check_cancel(cancel)
        if f"{fraction:g}" not in _finished(path, own):
            change = selection_of(session, found.first(count))
            begun = _begun(session, change, seeds)
            result = trial(session, change, splits, seeds=seeds, cancel=cancel, unfinished=begun)
            # Shares of another sweep go: they would stand beside these as if measured alike.
            with locked(path, seconds=10):
                shares = {**_finished(path, own), f"{fraction:g}": plain(result)}
                write_json(path, stamped("sweep", {"identity": own, "shares": shares}))
            begun.discard()
        if progress:
            progress(Progress("sweep", step + 1, len(reachable)))
    table = kept_sweep(session.project, name)
    if table is None:
        raise StoreError(f"{path} vanished while it was written; sweep again.")
    return table


def _read_sweep(path: Path) -> dict[str, Any]:
    """Identity and finished shares, of every version of the file.

    Raises:
        StoreError: it is missing or damaged.
    """
    found = upgraded("sweep", read_json(path), path)
    try:
        return {**found, "shares": {f"{float(s):g}": v for s, v in found["shares"].items()}}
    except (KeyError, ValueError, AttributeError) as error:
        raise StoreError(f"{path} is damaged ({error}); {_ADVICE}.") from error


def _finished(path: Path, own: str) -> dict[str, Any]:
    """Finished shares of this very sweep; {} if the file is another's, missing or damaged."""
    with suppress(StoreError):
        found = _read_sweep(path)
        if found.get("identity") == own:
            return dict(found["shares"])
    return {}


def kept_sweep(project: Project, name: str) -> pd.DataFrame | None:
    """The sweep so far, None if there is none.

    Returns:
        Columns split, arm, share, accuracy (mean over seeds), stdev; share 0 is nothing removed.

    Raises:
        StoreError: the file is damaged.
    """
    path = results_folder(project, name) / SWEEP
    if not path.is_file():
        return None
    parts = []
    for share, value in _read_sweep(path)["shares"].items():
        table = build(Trial, value, path, _ADVICE).table
        for (split, arm), group in table.groupby(["split", "arm"], sort=False):
            accuracy = group["accuracy"]
            parts.append((split, arm, float(share), accuracy.mean(), accuracy.std()))
    frame = pd.DataFrame(parts, columns=["split", "arm", "share", "accuracy", "stdev"])
    return frame.sort_values(["split", "arm", "share"]).reset_index(drop=True)


def _begun(session: Session, change: Selection, seeds: int) -> Parts:
    """Finished arms of a trial of these edits, whichever cleansing holds the edits."""
    asked = [change.removed.tolist(), sorted(change.relabelled.items()), seeds]
    return unfinished(session, "trial", asked)


def _trial_path(project: Project, name: str, found: Cleansing, number: int | None) -> Path:
    wanted = found.taken if number is None else number
    suffix = "all" if wanted is None else str(wanted)
    return results_folder(project, name) / f"trial-{suffix}.json"
