"""All scores of one item as a file, for questions that two short lists cannot answer.

    FILE.npy    float32 (1, N): position i is row i of the training split
    FILE.json   its card: run, estimator, item, label asked about, fingerprint of the data set

Written chunk by chunk, so that memory does not grow with N. Called by `explain --scores`.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from influence_core.disk.atomic import plain_errors, read_json, write_json
from influence_core.disk.formats import stamped
from influence_core.disk.temporary import remove_abandoned
from influence_core.errors import DataError, StoreError
from influence_core.influence.base import Query
from influence_core.influence.scan import KnownScores, full_scores
from influence_core.progress import ProgressFn
from influence_core.workflow.explain.explain import ExplainOptions, query_of
from influence_core.workflow.explain.items import Item, asked_label
from influence_core.workflow.explain.named import named
from influence_core.workflow.session import Session

WHAT = "turnover scores of one item"  # tells a card of ours from a user's file of the same name
ORDER = (
    "Position i is row i of the training split in the order of the data set, which is that of its "
    "source (Project.open(folder).dataset.train.keys[i] is its key); a positive score helped the "
    "label, a negative one harmed it."
)


def write_scores(
    session: Session,
    item: Item,
    options: ExplainOptions,
    path: Path,
    *,
    known: npt.NDArray[np.float32] | None = None,
    progress: ProgressFn | None = None,
    cancel: threading.Event | None = None,
) -> npt.NDArray[np.float32]:
    """Write the score of every training row for an item, and beside it what the scores are.

    A training row's score on itself is among them: unlike a ranking, a file can leave it to its
    reader. `options.k` does not matter.

    Args:
        path: ends in .npy; a file of that name is replaced when the new one is whole.
        known: (N,) the scores, if an explanation has kept them: nothing is scanned then.
        cancel: set it to stop; `CancelledError` is raised and what was there before is untouched.

    Returns:
        (1, N), mapped read-only.

    Raises:
        DataError: the name does not end in .npy, or not all rows are asked for.
        StoreError: the disk is full, the folder cannot be written, or a file that is not ours has
            the card's name.
    """
    card = check_place(options, path)
    options = options.of_run(session)
    label = asked_label(item, options.toward)
    query: Query
    if known is None:
        targets = session.targets(item.features[None], torch.tensor([label]), item.proba)
        query = query_of(session, item, options.estimator, targets)
    else:
        query = KnownScores(torch.from_numpy(np.array(known))[None])
    remove_abandoned(path.parent, path.name)
    scores = full_scores(query, len(session.evidence), path, progress=progress, cancel=cancel)
    try:
        write_json(card, stamped("scores", _card(session, item, options, label)))
    except StoreError:
        with suppress(OSError):  # an old card must not speak for the new scores
            card.unlink(missing_ok=True)
        raise
    return scores


def check_place(options: ExplainOptions, path: Path) -> Path:
    """Refuse early what cannot be written; returns where the card goes.

    Raises:
        DataError: not all rows are asked for, or the scores may not go to `path`.
        StoreError: another file has the card's name.
    """
    if options.among != "all":
        raise DataError(
            f"The file holds the scores of all training rows, not of those among "
            f"'{options.among}' only; ask among 'all' and choose from the file."
        )
    if path.suffix != ".npy":
        raise DataError(f"Scores are written as a NumPy file; give '{path}' a name ending in .npy.")
    card = path.with_suffix(".json")
    with plain_errors("write", path):
        if not path.parent.is_dir():
            raise StoreError(
                f"Cannot write {path}: there is no folder {path.parent}; make it or name another."
            )
        if path.is_dir():
            raise DataError(f"{path} is a folder; name a file ending in .npy in it.")
        if not card.exists():
            return card
    try:
        ours = read_json(card).get("what") == WHAT
    except StoreError:
        ours = False
    if not ours:
        raise StoreError(
            f"{card} would be replaced by the description of the scores, but is another file; "
            "choose another name for the scores."
        )
    return card


def _card(session: Session, item: Item, options: ExplainOptions, label: int) -> dict[str, Any]:
    return {
        "what": WHAT,
        "run": session.run.id,
        "estimator": options.estimator,
        "toward": options.toward,
        "label": session.classes[label],
        "item": named(session, item),
        "rows": len(session.evidence),
        "dataset_fingerprint": session.project.fingerprint,
        "order": ORDER,
    }
