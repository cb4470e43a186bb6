"""No decision is lost, doubled or half there, on SQLite and on PostgreSQL."""

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from review_writer import decisions

from influence_core.errors import DataError, StoreError
from influence_core.store.project import Project
from influence_core.store.reviews.events import MAX_NOTE, Action, Decision
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import URL_VARIABLE, ReviewStore, has_reviews, open_reviews

WRITER = Path(__file__).resolve().parents[2] / "support" / "review_writer.py"
ROOT = WRITER.parents[2]


@pytest.fixture
def store(url):
    opened = ReviewStore(url)
    yield opened
    opened.close()


def act(store, keys, verdict="exclude", reviewer="ann", **more):
    new = more.pop("new", None)
    made = [Decision(key, 1, verdict, "cat", new, more.get("note", "")) for key in keys]
    more.pop("note", None)
    action = Action(reviewer, made, "f" * 64, **more)
    return action.id, store.append(action)


def state(store):
    folded = ReviewState()
    folded.catch_up(store)
    return folded


def writer(url, kind, who, size):
    return subprocess.Popen(
        [sys.executable, str(WRITER), url, kind, who, str(size)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
    )  # fmt: skip


def test_an_event_comes_back_as_it_was_written(store):
    key, content = 2**64 - 1, 2**63 + 5
    decision = Decision(key, content, "relabel", "cat", "dög 🐕", "so; 'it' \"is\"\n\x01")
    action = Action("Ann B.", [decision], "f" * 64, run="20260101-000000-abcdef")
    assert store.append(action) == 1
    (event,) = store.events()
    assert event.decision == decision
    assert (event.time, event.reviewer, event.run) == (action.time, "Ann B.", action.run)
    assert event.time.endswith("+00:00")
    assert (event.fingerprint, event.action, event.undoes) == ("f" * 64, action.id, "")


def test_the_same_action_twice_is_written_once(store):
    assert act(store, [1, 2], id="once") == ("once", 2)
    assert act(store, [1, 2], id="once") == ("once", 0)
    assert store.extent().events == 2


def test_the_latest_decision_of_a_reviewer_counts(store):
    act(store, [5], "keep")
    act(store, [5], "relabel", new="dog")
    found = state(store).effective(5)
    assert (found.outcome, found.new_label) == ("relabel", "dog")
    assert [e.decision.verdict for e in store.events()] == ["keep", "relabel"]


def test_undo_goes_back_step_by_step_and_a_bulk_in_one(store):
    act(store, [5], "keep")
    act(store, [5], "unsure")
    act(store, range(4, 8), "exclude")
    seen = []
    while steps := state(store).steps("ann"):
        found = state(store).all_effective()
        seen.append({key: value.outcome for key, value in found.items()})
        store.undo(list(steps)[-1], Action("ann", [], "f" * 64))
    assert seen == [dict.fromkeys([5, 4, 6, 7], "exclude"), {5: "unsure"}, {5: "keep"}]
    assert state(store).all_effective() == {}
    assert store.extent().events == 12  # nothing was deleted: six decisions, six of taking back


def test_nobody_takes_back_what_another_decided(store):
    action, _ = act(store, [5], "keep", reviewer="bob")
    assert store.undo(action, Action("ann", [], "f" * 64)) == 0
    assert state(store).effective(5).outcome == "keep"


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (["keep"], "keep"),
        (["keep", "unsure"], "keep"),
        (["unsure", "unsure"], "unsure"),
        (["keep", "exclude"], "disputed"),
        (["exclude", "keep", "exclude"], "exclude"),
        (["exclude", "keep", "relabel"], "disputed"),
        (["exclude", "exclude", "keep", "keep"], "disputed"),
    ],
)
def test_more_than_half_decide_and_the_unsure_abstain(store, words, outcome):
    for number, word in enumerate(words):
        act(store, [5], word, reviewer=f"r{number}", new="dog" if word == "relabel" else None)
    assert state(store).effective(5).outcome == outcome


def test_a_state_that_catches_up_equals_one_that_reads_everything(store):
    rng = random.Random(0)
    slow = ReviewState()
    for step in range(60):
        who = rng.choice(["ann", "bob"])
        steps = list(slow.steps(who))
        if steps and rng.random() < 0.3:
            store.undo(rng.choice(steps), Action(who, [], "f"))
        else:
            act(store, rng.sample(range(12), 3), rng.choice(["keep", "exclude"]), reviewer=who)
        if step % 3 == 0:
            assert slow.catch_up(store)
            assert not slow.catch_up(store)
            fresh = state(store)
            assert slow.all_effective() == fresh.all_effective()
            assert slow.steps("ann") == fresh.steps("ann")


def test_events_that_become_visible_late_are_not_missed(store):
    """PostgreSQL numbers rows before they are committed: 3 may be seen before 2."""
    act(store, [1])
    act(store, [2])
    act(store, [3])
    events = store.events()

    class Late:
        def __init__(self):
            self.shown = [events[0], events[2]]

        def events(self, after=0):
            return [e for e in self.shown if e.number > after]

        def extent(self):
            return type(store.extent())(len(self.shown), self.shown[-1].number)

    late, folded = Late(), ReviewState()
    folded.catch_up(late)
    late.shown = events
    folded.catch_up(late)
    assert set(folded.all_effective()) == {1, 2, 3}


def test_two_processes_of_two_thousand_decisions_lose_and_double_none(url):
    store = ReviewStore(url)
    count = 2000
    running = [writer(url, "single", who, count) for who in ("ann", "bob")]
    assert [process.communicate(timeout=600) and process.returncode for process in running] == [
        0,
        0,
    ]
    found = collections.Counter((e.reviewer, e.decision.key) for e in store.events())
    assert len(found) == 2 * count
    assert set(found.values()) == {1}
    store.close()


def test_a_process_killed_in_a_bulk_leaves_all_or_none(url):
    store = ReviewStore(url)
    rng, rows = random.Random(1), 3000
    for attempt in range(4):
        process = writer(url, "bulk", f"who{attempt}", rows)
        process.stdout.readline()  # it is at work
        time.sleep(rng.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    found = collections.Counter(event.action for event in store.events())
    assert len(found) >= 4
    assert set(found.values()) == {rows}
    assert act(store, [1])[1] == 1  # and the database takes more
    store.close()


def test_projects_in_one_database_do_not_see_each_other(url):
    one, two = ReviewStore(url, "one"), ReviewStore(url, "two")
    act(one, [5])
    assert two.extent().events == 0
    assert act(two, [5, 6])[1] == 2
    assert (len(one.events()), len(two.events())) == (1, 2)
    one.close()
    two.close()


def test_sqlite_is_written_ahead_and_flushed(tmp_path):
    store = ReviewStore(f"sqlite:///{tmp_path / 'r.db'}")
    act(store, [1])
    with store._engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    store.close()


def test_the_database_is_the_project_s_unless_settings_or_environment_say_otherwise(
    tmp_path, monkeypatch
):
    from tiny import project

    made = project(tmp_path / "p")
    own = open_reviews(made)
    act(own, [1])
    assert (tmp_path / "p" / "reviews.db").is_file()
    elsewhere = f"sqlite:///{tmp_path / 'shared.db'}"
    made.with_settings(database=elsewhere)
    shared = open_reviews(Project.open(tmp_path / "p"))
    assert shared.extent().events == 0
    act(shared, [1, 2])
    monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{tmp_path / 'by-environment.db'}")
    other = open_reviews(made)
    assert other.extent().events == 0
    for opened in (own, shared, other):
        opened.close()


@pytest.mark.parametrize(
    "bad",
    [
        {"verdict": "maybe"},
        {"verdict": "relabel"},
        {"verdict": "relabel", "new_label": "cat"},
        {"verdict": "keep", "new_label": "dog"},
        {"verdict": "keep", "note": "x" * (MAX_NOTE + 1)},
        {"verdict": "keep", "note": "half a pair \ud83d"},
        {"verdict": "keep", "note": "nothing \0 here"},
    ],
)
def test_decisions_that_say_nothing_are_refused(bad):
    with pytest.raises(DataError):
        Decision(1, 1, old_label="cat", **bad)


def test_nameless_reviewers_and_double_rows_are_refused():
    with pytest.raises(DataError, match="needs a name"):
        Action(" ", decisions([1]), "f")
    with pytest.raises(DataError, match="two decisions"):
        Action("ann", decisions([1, 1]), "f")
    with pytest.raises(DataError, match=r"U\+DC00"):
        Action("ann \udc00", decisions([1]), "f")


def test_an_unreachable_database_is_one_sentence_without_the_password():
    with pytest.raises(StoreError) as caught:
        ReviewStore("postgresql://ann:secret@127.0.0.1:1/none")
    assert "secret" not in str(caught.value)
    assert "cannot be opened" in str(caught.value)
    with pytest.raises(StoreError, match="write it as SQLAlchemy does, such as postgresql"):
        ReviewStore("nonsense")


@pytest.mark.parametrize("name", ["postgresql", "postgres"])
def test_an_address_without_a_driver_means_the_one_that_is_tested(name):
    with pytest.raises(StoreError, match=r"reviews in postgresql\+psycopg://"):
        ReviewStore(f"{name}://ann:secret@127.0.0.1:1/none")


def test_only_later_events_are_asked_for(store):
    act(store, [1, 2])
    act(store, [3])
    first, second, third = (event.number for event in store.events())
    assert [event.number for event in store.events(second)] == [third]
    assert [event.number for event in store.events(first)] == [second, third]


def test_a_database_that_broke_says_what_cannot_be_done_with_it(tmp_path):
    store = ReviewStore(f"sqlite:///{tmp_path / 'r.db'}")
    act(store, [1])
    with store._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE turnover_reviews")
    with pytest.raises(StoreError, match="cannot be read "):
        store.events()
    with pytest.raises(StoreError, match="cannot be written "):
        store.copy_to("another")
    store.close()


def test_who_only_reads_asks_first_whether_there_are_reviews(tmp_path, monkeypatch):
    from tiny import project

    monkeypatch.delenv(URL_VARIABLE, raising=False)
    made = project(tmp_path / "p")
    assert not has_reviews(made)
    open_reviews(made).close()
    assert has_reviews(made)


def test_a_database_that_cannot_be_written_says_so_and_keeps_what_it_has(tmp_path):
    url = f"sqlite:///{tmp_path / 'r.db'}"
    store = ReviewStore(url)
    act(store, [1])
    with store._engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON turnover_reviews WHEN NEW.key LIKE '%9' "
            "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
    with pytest.raises(StoreError, match="disk is full"):
        act(store, range(2, 20))
    assert store.extent().events == 1
    store.close()
