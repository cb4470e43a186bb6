"""The dashboard with scans whose every 500 rows take SLOW_SCAN_SECONDS, to be clicked in meanwhile.

    python slow_scan.py run app.py …          as `python -m streamlit`

How each scan ended is written to the file SLOW_SCAN_LOG, a line each.
"""

import os
import runpy
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from influence_core.errors import CancelledError
from influence_core.workflow.explain import explain

CHUNK, SECONDS = 500, float(os.environ.get("SLOW_SCAN_SECONDS", "2"))
real = explain.scan


class Slow:
    """A query that takes its time."""

    def __init__(self, query):
        self.query = query

    def scores(self, rows):
        time.sleep(SECONDS)
        return self.query.scores(rows)


def scan(query, rows, **options):
    ended = "failed"
    try:
        found = real(Slow(query), rows, chunk=CHUNK, **options)
        ended = "done"
        return found
    except CancelledError:
        ended = "abandoned"
        raise
    finally:
        with Path(os.environ["SLOW_SCAN_LOG"]).open("a") as log:
            log.write(f"{ended}\n")


if __name__ == "__main__":
    explain.scan = scan
    runpy.run_module("streamlit", run_name="__main__")
