"""Tasks of a Ray cluster that kill their own worker: once, in the middle of their work."""

import os
import signal


def dying_once(work, marker):
    """`work` for a worker, which is killed with -9 the second time that it is called anywhere.

    A function inside a function, so that Ray sends it whole to workers that know no tests.

    Args:
        work: a function of a module. marker: a folder, in which the calls leave a file each.
    """

    def dying(*arguments):
        names = ["first", "second"]
        for name in names:
            try:
                os.close(os.open(marker / name, os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                continue
            if name == "second":
                os.kill(os.getpid(), signal.SIGKILL)
            break
        return work(*arguments)

    marker.mkdir()
    return dying


def has_died(marker):
    """Whether a worker was killed."""
    return (marker / "second").exists()
