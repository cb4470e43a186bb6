import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import project

from influence_core.errors import CancelledError, DataError
from influence_core.store.evaluations import FILE, EvaluationRecord, write_evaluation
from influence_core.workflow.explain import live
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.live import (
    AnswerCache,
    LiveScan,
    LiveScans,
    Scan,
    key_of,
    size_of,
)
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=2, width=64, epochs=2))
    return open_session(type(made).open(made.root))


@pytest.fixture(scope="module")
def items(session):
    return [find_item(session, "test", int(k)) for k in session.project.dataset.split("test").keys]


def finished(scan):
    seen = 0
    while not scan.over:
        seen, _ = scan.wait(seen, 20)
    return scan.wait(seen, 20)[1]


def test_a_live_scan_ends_with_the_plain_answer(session, items):
    options = ExplainOptions(estimator="turnover")
    answer = finished(LiveScans().ask("me", session, items[0], options))
    plain = explain(session, items[0], options)
    assert not answer.provisional
    pd.testing.assert_frame_equal(answer.helpful, plain.helpful)
    pd.testing.assert_frame_equal(answer.harmful, plain.harmful)


def test_a_finished_answer_is_shared_between_viewers_and_not_computed_again(session, items):
    scans = LiveScans()
    first = finished(scans.ask("one", session, items[0], ExplainOptions()))
    other = scans.ask("two", session, items[0], ExplainOptions())
    assert other.over
    assert other.wait()[1] is first


def test_every_switch_and_target_is_an_answer_of_its_own(session, items):
    asked = [
        ExplainOptions(),
        ExplainOptions(k=3),
        ExplainOptions(toward="true"),
        ExplainOptions(estimator="turnover"),
    ]
    keys = {key_of(session, item, one) for item in items[:2] for one in asked}
    assert len(keys) == 8
    elsewhere = replace(session, device=torch.device("meta"))
    assert key_of(elsewhere, items[0], ExplainOptions()) not in keys


def held_back(told, stop):
    """A scan that tells one provisional answer and then waits to be cancelled."""
    told(PROVISIONAL)
    assert stop.wait(600)
    raise CancelledError("stopped")


class _Part:
    provisional = True


class _Whole:
    provisional = False


PROVISIONAL, WHOLE = _Part(), _Whole()


def joined(scan):
    assert scan.join()
    return LiveScan(scan)


def test_cancelling_keeps_what_was_ranked_and_caches_nothing():
    scan, kept = Scan(), []
    live = joined(scan)
    thread = threading.Thread(target=scan.run, args=(held_back, kept.append))
    thread.start()
    assert live.wait(0, 20)[1] is PROVISIONAL
    assert not live.over
    live.cancel()
    thread.join(600)
    assert scan.over
    assert live.over
    assert live.cancelled
    assert live.wait(0, 0)[1] is PROVISIONAL
    assert kept == []


def test_one_viewer_who_cancels_leaves_the_scan_to_the_other():
    scan, kept, go_on = Scan(), [], threading.Event()

    def work(told, stop):
        told(PROVISIONAL)
        assert go_on.wait(600)
        assert not stop.is_set()
        return WHOLE

    one, other = joined(scan), joined(scan)
    thread = threading.Thread(target=scan.run, args=(work, kept.append))
    thread.start()
    assert one.wait(0, 20)[1] is PROVISIONAL
    one.cancel()
    one.cancel()  # counts once
    assert (one.over, one.cancelled, other.over, other.cancelled) == (True, True, False, False)
    go_on.set()
    thread.join(600)
    assert other.wait(0, 20)[1] is WHOLE
    assert one.wait(0, 0)[1] is PROVISIONAL
    assert kept == [WHOLE]
    other.cancel()  # too late
    assert not other.cancelled


def test_who_has_cancelled_hears_nothing_of_a_later_failure():
    scan, go_on = Scan(), threading.Event()

    def work(told, stop):
        told(PROVISIONAL)
        assert go_on.wait(600)
        raise DataError("broken")

    one, other = joined(scan), joined(scan)
    thread = threading.Thread(target=scan.run, args=(work, [].append))
    thread.start()
    assert one.wait(0, 20)[1] is PROVISIONAL
    one.cancel()
    go_on.set()
    thread.join(600)
    assert (one.failed, other.failed) == (False, True)
    assert one.wait(0, 0)[1] is PROVISIONAL
    with pytest.raises(DataError, match="broken"):
        other.wait(0, 0)


def test_viewers_who_ask_the_same_at_once_wait_for_one_scan(session, items, monkeypatch):
    begun, go_on = [], threading.Event()

    def slow(session, item, options, *, on_partial, cancel, keep):
        begun.append(item)
        assert go_on.wait(600)
        return explain(session, item, options, on_partial=on_partial, cancel=cancel)

    monkeypatch.setattr(live, "explain", slow)
    scans = LiveScans()
    one, two = (scans.ask(viewer, session, items[0], ExplainOptions()) for viewer in ("one", "two"))
    other = scans.ask(
        "one", session, items[1], ExplainOptions()
    )  # who leaves, leaves it to the other
    go_on.set()
    assert not finished(other).provisional
    answer = finished(two)
    assert not answer.provisional
    assert answer.item is items[0]
    assert one.cancelled
    assert sorted(item.key for item in begun) == sorted(item.key for item in items[:2])


def test_who_asks_for_a_scan_that_all_have_left_gets_a_new_one(session, items, monkeypatch):
    monkeypatch.setattr(
        live, "explain", lambda *_, on_partial, cancel, keep: held_back(on_partial, cancel)
    )
    scans = LiveScans()
    first = scans.ask("one", session, items[0], ExplainOptions())
    assert first.wait(0, 20)[1] is PROVISIONAL
    scans.forget("one")
    monkeypatch.setattr(live, "explain", explain)
    assert not finished(scans.ask("two", session, items[0], ExplainOptions())).provisional


def test_asking_for_another_item_abandons_the_first(session, items):
    scans = LiveScans()
    first = scans.ask("me", session, items[0], ExplainOptions())
    again = scans.ask("me", session, items[0], ExplainOptions())
    whole = finished(first)
    second = scans.ask("me", session, items[1], ExplainOptions())
    assert again is first
    assert not first.cancelled  # it had come to its end
    third = scans.ask("me", session, items[2], ExplainOptions())
    assert second.over
    assert finished(third).item is items[2]
    assert whole.item is items[0]


def test_a_failing_scan_raises_where_it_is_waited_for(session, items):
    nameless = replace(items[0], true=None)
    scan = LiveScans().ask("me", session, nameless, ExplainOptions(toward="true"))
    with pytest.raises(DataError, match="no true label"):
        finished(scan)


def test_a_failed_scan_is_tried_again_when_it_is_asked_for_again(session, items, monkeypatch):
    scans, broken = LiveScans(), replace(items[0], features=items[0].features[:-1])
    first = scans.ask("me", session, broken, ExplainOptions())
    with pytest.raises(RuntimeError):
        finished(first)
    again = scans.ask("me", session, broken, ExplainOptions())
    assert again is not first
    with pytest.raises(RuntimeError):
        finished(again)


def test_an_evaluation_that_chooses_other_settings_makes_old_answers_void(session, items):
    before = key_of(session, items[0], ExplainOptions())
    record = EvaluationRecord("run", "now", settings={"flipped-ridge": {"strength": 64.0}})
    write_evaluation(session.project.root, record)
    try:
        assert key_of(session, items[0], ExplainOptions()) != before
        assert key_of(session, items[0], ExplainOptions(estimator="turnover"))[-1] == "{}"
    finally:
        (session.project.root / FILE).unlink()
    assert key_of(session, items[0], ExplainOptions()) == before


def test_an_answer_about_ones_own_picture_counts_the_picture(session, items):
    answer = explain(session, items[0], ExplainOptions(k=3))
    own = replace(answer, item=replace(items[0], content=b"x" * 5_000))
    assert size_of(own) == size_of(answer) + 5_000


def test_closing_stops_what_is_on_its_way_and_ends_the_threads(session, items, monkeypatch):
    monkeypatch.setattr(
        live, "explain", lambda *_, on_partial, cancel, keep: held_back(on_partial, cancel)
    )
    scans = LiveScans()
    scan = scans.ask("me", session, items[0], ExplainOptions())
    assert scan.wait(0, 20)[1] is PROVISIONAL
    scans.close(20)
    assert scan.over
    assert not any(thread.is_alive() for thread in scans._threads)


def test_the_cache_stays_within_its_bytes_and_drops_the_least_used(session, items):
    answers = [explain(session, item, ExplainOptions(k=5)) for item in items[:3]]
    keys = [key_of(session, item, ExplainOptions(k=5)) for item in items[:3]]
    room = AnswerCache(sum(map(size_of, answers)) - 1)
    for key, answer in zip(keys[:2], answers[:2], strict=True):
        room.put(key, answer)
    assert room.get(keys[0]) is answers[0]  # now the second is the least used
    room.put(keys[2], answers[2])
    assert [room.get(key) is None for key in keys] == [False, True, False]
    assert room.bytes == size_of(answers[0]) + size_of(answers[2])
    small = AnswerCache(10)
    small.put(keys[0], answers[0])
    assert len(small) == small.bytes == 0


def test_sizes_grow_with_the_lists(session, items):
    sizes = [size_of(explain(session, items[0], ExplainOptions(k=k))) for k in (1, 40)]
    assert np.diff(sizes)[0] > 39 * 8


def test_the_ridges_list_stands_there_until_the_replayed_one_is_in(session, items):
    seen = []
    options = ExplainOptions("replay", k=4)
    answer = explain(session, items[0], options, on_partial=seen.append)
    first = explain(session, items[0], replace(options, estimator="flipped-ridge"))
    pd.testing.assert_frame_equal(seen[0].helpful, first.helpful)
    waiting = [part for part in seen if part.instead_of]
    assert all(part.instead_of == "replay" and part.provisional for part in waiting)
    assert all(part.helpful is seen[0].helpful for part in waiting)  # so a page draws it once
    passed = [part.passed for part in waiting]
    assert passed == sorted(passed) and passed[0] == 0 and passed[-1] == 1
    assert answer.options.estimator == "replay" and not answer.instead_of
    assert answer.effects.helpful.shape == (2, 4)
    listed = answer.helpful["influence"].to_numpy()
    np.testing.assert_allclose(answer.effects.helpful.mean(0), listed, rtol=1e-3, atol=1e-7)


def test_a_replay_that_is_given_up_leaves_the_ridges_list_and_the_next_one_whole(session, items):
    cancel, seen = threading.Event(), []

    def stop(part):
        seen.append(part)
        if part.passed > 0.2:
            cancel.set()

    options = ExplainOptions("together", k=3)
    with pytest.raises(CancelledError):
        explain(session, items[1], options, on_partial=stop, cancel=cancel)
    assert seen[-1].options.estimator == "flipped-ridge"
    again = explain(session, items[1], options)
    fresh = explain(open_session(session.project), items[1], options)
    pd.testing.assert_frame_equal(again.helpful, fresh.helpful)
