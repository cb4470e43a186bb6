"""A job as it stood when it was looked at; `control` makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from influence_core.jobs import folder as files
from influence_core.progress import Progress

State = Literal["queued", "running", "done", "failed", "cancelled", "interrupted"]


@dataclass(frozen=True)
class Job:
    """A job as it stood when it was looked at.

    Attributes:
        id: folder name; sorts by time.
        root: the folder of the project that it belongs to.
        title: what it does, for people.
        arguments: of the command line, after `turnover`.
        created: UTC time, ISO 8601.
        who: user who started it.
        state: where it is.
        progress: the verb's last event.
        rate: units a second in the present stage.
        remaining: seconds to the end of the present stage.
        expected: seconds that all of it was thought to take when it was started.
        running: seconds since it left the queue.
        message: how it ended, in one sentence.
        result: what the verb left, such as {"run": id}.
        finished: UTC time of the end, ISO 8601, or "".
        ours: whether it was started from this home of projects, and not by a stranger.
    """

    id: str
    root: Path
    title: str
    arguments: tuple[str, ...]
    created: str
    who: str
    state: State
    progress: Progress | None = None
    rate: float | None = None
    remaining: float | None = None
    message: str = ""
    result: Mapping[str, Any] = field(default_factory=dict)
    finished: str = ""
    ours: bool = True
    expected: float | None = None
    running: float = 0.0

    @property
    def left(self) -> float | None:
        """Seconds to its end: as was thought, and where that is over, of the present stage."""
        if self.expected is not None and self.running < self.expected:
            return self.expected - self.running
        return self.remaining

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.root / files.JOBS / self.id

    @property
    def log_path(self) -> Path:
        """What the verb printed; the file need not exist yet."""
        return self.folder / files.LOG

    @property
    def active(self) -> bool:
        """Queued or running."""
        return self.state in ("queued", "running")

    @property
    def resumable(self) -> bool:
        """Whether `resume` may start it again."""
        return self.ours and self.state in ("failed", "cancelled", "interrupted")
