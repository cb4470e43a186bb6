"""Before the first question: the estimator is prepared, and nothing else changes."""

import threading

import numpy as np
import pytest
from tiny import project

from influence_core.workflow.explain import ahead
from influence_core.workflow.explain.explain import explain
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.session import Session, open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=2, width=64, epochs=2))
    return type(made).open(made.root)


def test_the_estimator_of_a_first_question_is_prepared_and_answers_as_it_would(made):
    ready, plain = open_session(made), open_session(made)
    thread = ahead.get_ready(ready)
    thread.join()
    assert list(ready._prepared) == [ready.estimator()]
    key = int(made.dataset.split("test").keys[0])
    one, other = (explain(s, find_item(s, "test", key), keep=True) for s in (ready, plain))
    assert np.array_equal(one.scores, other.scores)


def test_nothing_large_is_computed_unasked(made, monkeypatch):
    monkeypatch.setattr(ahead, "MOST", 1.0)
    session = open_session(made)
    assert ahead.get_ready(session) is None
    assert not session._prepared


def test_lists_do_not_wait_for_it(made, monkeypatch):
    session, begun, go_on = open_session(made), threading.Event(), threading.Event()

    def slow(self, evidence, settings):
        begun.set()
        assert go_on.wait(60)
        raise RuntimeError("not today")

    find = "influence_core.workflow.session.find_estimator"
    monkeypatch.setattr(find, lambda name: type("Slow", (), {"prepare": slow})())
    thread = ahead.get_ready(session)
    assert begun.wait(60)
    misclassified(session, "test")
    find_item(session, "test", int(made.dataset.split("test").keys[0]))
    go_on.set()
    thread.join()  # what it failed with is said where somebody asks
    with pytest.raises(RuntimeError, match="not today"):
        Session.prepared(session, session.estimator())
