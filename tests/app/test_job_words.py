"""What a job's state, speed and remaining time read like."""

from dataclasses import replace
from pathlib import Path

import pytest

from influence_core.jobs import Job
from influence_core.progress import Progress
from pages.ui.frame.jobs.words import duration, ending, queued, speed, where

JOB = Job("20260101-000000-aaaaaa", Path(), "Train", (), "2026-01-01", "me", "running")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (44.2, "45 s"), (90, "2 min"), (5_399, "1 h 30 min"), (11_100, "3 h 5 min")],
)
def test_remaining_time_is_rounded_up(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"), [(1234.5, "1,234 rows/s"), (2.5, "2.5 rows/s"), (0.2, "12 rows/min")]
)
def test_slow_work_is_counted_by_the_minute(rate, words):
    assert speed(rate, "rows") == words


def test_a_running_job_says_what_how_fast_and_how_long():
    job = replace(JOB, progress=Progress("encode", 500, 1000, "train"), rate=100.0, remaining=5.0)
    assert where(job) == (0.5, "Encoding train: 500 of 1,000 rows, 100 rows/s, 5 s left")
    assert where(JOB) == (0.0, "Starting")
    assert where(replace(JOB, state="queued")) == (0.0, "Queued")


def test_a_queued_job_says_behind_what_and_how_long():
    root = Path("/home/films")
    runs = replace(JOB, root=root, title="Evaluate", expected=200.0, running=80.0)
    waits = replace(JOB, root=root, title="Map", state="queued")
    assert queued([runs]) == "Queued behind Evaluate (films), about 2 min"
    assert queued([runs, waits]) == "Queued behind Evaluate (films) and 1 more, at least 2 min"
    late = replace(runs, running=300.0, remaining=12.0)  # longer than was thought: by its stage
    assert queued([late]) == "Queued behind Evaluate (films), about 12 s"
    assert queued([waits]) == "Queued behind Map (films)"
    made = replace(runs, arguments=("new", "x.csv"), title="Create films")
    assert (
        where(replace(JOB, state="queued"), [made])[1] == "Queued behind Create films, about 2 min"
    )


def test_no_figure_leaves_the_bar_and_unknown_stages_have_words():
    assert where(replace(JOB, progress=Progress("odd", 7, 5)))[0] == 1.0
    assert where(replace(JOB, progress=Progress("odd", 0, 0))) == (0.0, "Odd: 0 of 0 steps")


def test_an_ending_is_escaped():
    job = replace(JOB, state="failed", message="no [link](http://x)", finished="2026-01-01T10:00")
    assert "[link]" not in ending(job).replace("\\[", "")
    assert ending(job).startswith(":red-badge[:material/error: Failed]")
