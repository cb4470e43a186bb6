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


class OneBar:
    """A `ProgressFn` that tells all stages of a work as one, in per cent, and never goes back.

    The stage that is done now is the message.
    """

    WHOLE = "whole"

    def __init__(self, tell: ProgressFn, ends: Mapping[str, float]) -> None:
        """`ends` says in their order where each stage ends, as a share of the whole."""
        self._tell, self._done = tell, 0
        starts = [0.0, *ends.values()]
        self._parts = dict(zip(ends, zip(starts, ends.values(), strict=False), strict=True))

    def __call__(self, event: Progress) -> None:
        """Stages that were not named stand still."""
        start, end = self._parts.get(event.stage, (0.0, 0.0))
        share = start + (end - start) * min(event.done / max(event.total, 1), 1.0)
        self._done = max(self._done, int(100 * share))
        self._tell(Progress(self.WHOLE, self._done, 100, event.stage))


def check_cancel(cancel: threading.Event | None) -> None:
    """Raise `CancelledError` if the user asked to stop."""
    if cancel is not None and cancel.is_set():
        raise CancelledError("Stopped on request; what was finished before is kept.")
