"""What a first question waits for, done before it is asked: while a list is read.

The estimator is prepared for the run, and compiled loops and their libraries are loaded, which
takes longer than the answer. Called by `pages.ui.frame.shell`, once a run and server.
"""

import logging
import threading

import torch

from influence_core.influence.scan import scan
from influence_core.workflow.session import Session

MOST = 2e11  # products of numbers that nobody has asked for; two cores take a few seconds
_ROWS = 64
log = logging.getLogger("turnover.ahead")


def get_ready(session: Session) -> threading.Thread | None:
    """Prepare what answers at once, in a thread; None where it would be too much unasked."""
    depth, classes = len(session.features.mean), len(session.classes)
    if session.features.resident is None or len(session.evidence) * depth**2 * classes > MOST:
        return None
    thread = threading.Thread(target=_answer_one, args=(session,), name="ahead")
    thread.start()
    return thread


def _answer_one(session: Session) -> None:
    """Ask what influenced the first training row, of the first few rows."""
    try:
        x = session.features.rows(torch.arange(1))
        targets = session.targets(x, torch.zeros(1, dtype=torch.int64))
        query = session.prepared(session.estimator(many=True, quick=True)).query(targets)
        scan(query, min(_ROWS, len(session.evidence)), k=1)
    except Exception as error:  # said where somebody asks
        log.debug("Nothing is ready ahead: %s", error)
