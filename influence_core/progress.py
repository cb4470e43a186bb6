"""How long work tells where it is and hears that it should stop.

Anything that takes more than a moment accepts a `ProgressFn` and a cancel event; the command line
draws a bar from it, jobs append it to a file, and the pages poll that file.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from influence_core.errors import CancelledError


@dataclass(frozen=True)
class Progress:
    """One step of a stage: `done` of `total` units, with figures worth plotting."""

    stage: str
    done: int
    total: int
    message: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)


ProgressFn = Callable[[Progress], None]


def check_cancel(cancel: threading.Event | None) -> None:
    """Raise `CancelledError` if the user asked to stop."""
    if cancel is not None and cancel.is_set():
        raise CancelledError("Stopped on request; what was finished before is kept.")
