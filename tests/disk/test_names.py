"""Runs, jobs, cleansings and decisions keep their order when the clock is set back between them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tiny import project

from influence_core.disk import names
from influence_core.disk.names import id_after, id_at, moment_after
from influence_core.jobs import control, jobs, start
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.cleanse.cleansings import (
    list_cleansings,
    newest_cleansing,
    save_cleansing,
)
from influence_core.workflow.cleanse.find_harm import DECISIONS, CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock(monkeypatch):
    """Call with how far it is set, from one same moment; it stands still."""

    def set_to(**away):
        monkeypatch.setattr(names, "_now", lambda: NOW + timedelta(**away))

    set_to()
    return set_to


@given(some.lists(some.text() | some.datetimes().map(str)))
def test_whatever_stands_in_the_place_of_times_a_moment_comes_out(others):
    assert moment_after(others) >= datetime(2026, 1, 1, tzinfo=UTC)
    assert id_after(others)[8] == "-"


def test_ids_follow_each_other_within_a_second_and_after_a_step_back(clock):
    made = [id_at(NOW)]
    for away in (0, 0, -3600, 1, -86_400):
        clock(seconds=away)
        made.append(id_after(made))
    assert made == sorted(made)
    assert len({one[:15] for one in made}) == len(made)


def test_the_newest_run_and_cleansing_are_those_made_last(clock, tmp_path):
    films = project(tmp_path / "films", 30)
    runs, cleansings = [], []
    for away in (0, -3600, -1):
        clock(seconds=away)
        run = train(films, TrainOptions(members=1, width=8, epochs=1, device="cpu"))
        runs.append(run.id)
        assert films.latest_run().id == run.id
        session = open_session(films, run.id, "cpu")
        found = find_harm(session, CleanseOptions(TargetSplit("valid", "all"), by=DECISIONS))
        cleansings.append(save_cleansing(session, found))
        assert newest_cleansing(films) == cleansings[-1]
    assert [record.id for record in films.runs()] == runs[::-1]
    assert list_cleansings(films) == cleansings[::-1]


def test_jobs_are_listed_as_they_were_started(clock, tmp_path, monkeypatch):
    monkeypatch.setattr(control, "_launch", lambda folder, number: None)
    asked = []
    for away in (0, -3600, -1):
        clock(seconds=away)
        asked.append(start(tmp_path, ["--help"], title="T").id)
    assert [job.id for job in jobs(tmp_path)] == asked[::-1]


def test_the_last_decision_counts_whatever_time_it_bears(tmp_path):
    films = project(tmp_path / "films", 12)
    store = open_reviews(films)
    for hour, verdict in ((12, "keep"), (11, "exclude"), (10, "unsure")):
        one = Decision(5, 1, verdict, "bad")
        store.append(Action("ann", [one], "f", time=f"2026-05-01T{hour}:00:00.000000+00:00"))
        folded = ReviewState()
        folded.catch_up(store)
        assert folded.effective(5).outcome == verdict
    assert [event.decision.verdict for event in store.events()] == ["keep", "exclude", "unsure"]
    store.close()
