"""What a job's state, speed and remaining time read like."""

import math
from collections.abc import Sequence

from influence_core.jobs import Job
from influence_core.progress import OneBar
from pages.ui.draw import numbers
from pages.ui.draw.text import plain

# stage: (what it is doing, what it counts)
STAGES = {
    "read": ("Reading", "rows"),
    "check": ("Checking", "rows"),
    "copy": ("Copying", "images"),
    "encode": ("Encoding", "rows"),
    "train": ("Training", "epochs"),
    "sides": ("Scoring both sides", "rows"),
    "scan": ("Scanning", "rows"),
    "halves": ("Retraining on random halves", "retrainings"),
    "ceiling": ("Retraining for the noise ceiling", "retrainings"),
    "score": ("Scoring estimators", "estimators"),
    "removal": ("Retraining without helpful rows", "retrainings"),
    "loo": ("Leaving rows out", "retrainings"),
    "planted": ("Training on planted noise", "epochs"),
    "retrain": ("Retraining", "retrainings"),
    "round": ("Cleansing", "rounds"),
    "neighbours": ("Finding neighbours", "rows"),
    "sweep": ("Sweeping shares", "steps"),
    "search": ("Searching", "retrainings"),
    "prove": ("Proving", "retrainings"),
    "verify": ("Verifying", "%"),
    "map": ("Drawing the map", "steps"),
    "export": ("Writing", "rows"),
}
_STATES = {
    "done": ":green-badge[:material/check: Done]",
    "failed": ":red-badge[:material/error: Failed]",
    "cancelled": ":gray-badge[:material/block: Cancelled]",
    "interrupted": ":orange-badge[:material/pause: Interrupted]",
}


def where(job: Job, before: Sequence[Job] = ()) -> tuple[float, str]:
    """Share in [0, 1] of the present stage, and where it is in words.

    `before` are the jobs that a queued one waits for.
    """
    if job.state == "queued":
        return 0.0, queued(before)
    told = job.progress
    if told is None:
        return 0.0, "Starting"
    if told.stage == OneBar.WHOLE:
        doing = STAGES.get(told.message, ("Working", ""))[0]
        left = "" if job.left is None else f", about {duration(job.left)} left"
        return told.done / 100, f"{doing}: {told.done} %{left}"
    doing, units = STAGES.get(told.stage, (told.stage.capitalize(), "steps"))
    of = f" {told.message}" if told.message else ""
    parts = [f"{doing}{of}: {numbers.count(told.done)} of {numbers.count(told.total)} {units}"]
    if job.rate is not None:
        parts.append(speed(job.rate, units))
    if job.remaining is not None:
        parts.append(f"{duration(job.remaining)} left")
    return min(max(told.done / max(told.total, 1), 0.0), 1.0), ", ".join(parts)


def queued(before: Sequence[Job]) -> str:
    """What a job waits for, and how long, as far as that is known."""
    if not before:
        return "Queued"
    first = before[0]
    more = f" and {numbers.count(len(before) - 1)} more" if len(before) > 1 else ""
    # A title may be the same in two projects; those that make one stand in none.
    of = f" ({first.root.name})" if first.arguments[:1] != ("new",) else ""
    times = [one.left if one.state == "running" else one.expected for one in before]
    known = [seconds for seconds in times if seconds is not None]
    how = "about" if len(known) == len(times) else "at least"
    wait = f", {how} {duration(sum(known))}" if known else ""
    return f"Queued behind {first.title}{of}{more}{wait}"


def ending(job: Job) -> str:
    """How it ended, as Markdown; what comes from outside is escaped."""
    when = f", {job.finished[:16].replace('T', ' ')} UTC" if job.finished else ""
    said = f"  \n{plain(job.message)}" if job.message else ""
    return f"{_STATES.get(job.state, plain(job.state))}{plain(when)}{said}"


def speed(rate: float, units: str) -> str:
    """120 rows/s; below one a second, 12 rows/min."""
    if rate >= 10:
        return f"{numbers.count(round(rate))} {units}/s"
    if rate >= 1:
        return f"{rate:.1f} {units}/s"
    return f"{60 * rate:.2g} {units}/min"


def duration(seconds: float) -> str:
    """45 s, 12 min, 3 h 5 min: rounded up, never more exact than a guess deserves."""
    whole = math.ceil(max(seconds, 0.0))
    if whole < 90:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
