"""Verbs of the command line in processes of their own: start, watch, cancel, resume.

A job is a folder `<project>/jobs/<id>/`. `control` makes it and starts `runner`, a small process
that waits for its turn (`slots`), runs `python -m influence_core.cli …` and writes the ending. The
verb itself tells through `report` where it is. Nobody keeps a list of process ids: a lock file that
the kernel frees at the holder's death, however it came, tells running from interrupted. So closing
the browser, restarting the app or the machine loses nothing, and two apps see the same jobs.
"""

from influence_core.jobs.control import (
    ahead,
    cancel,
    curves,
    find,
    jobs,
    log_tail,
    resume,
    start,
)
from influence_core.jobs.job import Job

__all__ = ["Job", "ahead", "cancel", "curves", "find", "jobs", "log_tail", "resume", "start"]
