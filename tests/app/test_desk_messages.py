"""Messages to the desk that no browser of ours sends: left out, or refused in one sentence."""

import math
import secrets

import numpy as np
import pytest
import streamlit as st
from hypothesis import given
from hypothesis import strategies as some
from tiny import project

from influence_core.store.reviews.events import Action
from influence_core.store.reviews.proposals import ProposalStore
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.review.queue import QueueFilter
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train
from pages.ui.labels.desk import Queue, Shown, answer_decisions, window
from pages.ui.labels.messages import MOST_TEXT, MOST_WAITING, read_message


def sent(**parts):
    good = {"id": secrets.token_hex(16), "place": "here", "key": "0" * 16, "verdict": "keep",
            "new_label": None, "note": ""}  # fmt: skip
    return {**good, **parts}


def message(*pending, **parts):
    return read_message({"queue": "q", "pending": list(pending), **parts})


anything = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=8,
)
names = [
    "queue",
    "cursor",
    "want",
    "got",
    "pending",
    "n",
    "at",
    "id",
    "key",
    "verdict",
    "undo",
    "why",
]


@given(
    some.dictionaries(
        some.sampled_from(names),
        anything | some.lists(some.dictionaries(some.sampled_from(names), anything)),
    )
    | anything
)
def test_nothing_that_can_be_sent_is_an_error(value):
    found = read_message(value)
    assert found is None or found.pending == () or all(one.id for one in found.pending)


@pytest.mark.parametrize(
    "parts",
    [
        {"id": 7}, {"id": "x" * 32}, {"id": "0" * 10_000}, {"id": None},
        {"place": 3}, {"place": None},
        {"key": "-5"}, {"key": "f" * 17}, {"key": 5}, {"key": ["0" * 16]},
        {"verdict": None}, {"verdict": {"a": 1}}, {"verdict": "k" * (MOST_TEXT + 1)},
        {"new_label": 3}, {"new_label": "x" * (MOST_TEXT + 1)},
        {"note": None}, {"note": "n" * (MOST_TEXT + 1)}, {"undo": 1, "key": ""},
    ],
)  # fmt: skip
def test_a_decision_with_a_wrong_part_counts_as_not_sent(parts):
    good = sent()
    assert [one.id for one in message(sent(**parts), good).pending] == [good["id"]]


@pytest.mark.parametrize("number", [-1, 2**60, 1.5, math.inf, math.nan, True, "1", None, []])
def test_a_place_that_is_none_is_the_first(number):
    found = message(cursor=number, got=number, want={"n": number, "at": number})
    assert (found.cursor, found.asked, found.got, found.at) == (0, 0, 0, 0)
    assert message(want=number).at == 0


def test_no_more_decisions_are_read_than_can_wait():
    assert len(message(*[sent() for _ in range(MOST_WAITING + 5)]).pending) == MOST_WAITING


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("desk") / "tiny", n=30)
    run = train(made, TrainOptions(members=2, width=8, epochs=2, device="cpu"))
    return open_desk(open_session(made, run.id, "cpu"))


@pytest.fixture(autouse=True)
def own_state(monkeypatch):
    monkeypatch.setattr(st, "session_state", {})


def test_what_the_desk_cannot_mean_is_one_sentence_and_stores_nothing(desk):
    train_split = desk.session.project.dataset.train
    key = f"{int(train_split.keys[0]):016x}"
    given_label = desk.classes[int(train_split.labels[0])]
    queue = Queue("q", np.arange(len(desk.scores)))
    refused = [
        (sent(key="0123456789abcdef"), "is not in split 'train'"),
        (sent(key=key, verdict="delete"), "is not a verdict"),
        (sent(key=key, verdict="relabel", new_label="no such class"), "is not a class"),
        (sent(key=key, verdict="relabel"), "a new label belongs to"),
        (sent(key=key, new_label=given_label), "a new label belongs to"),
        (sent(key=key, verdict="relabel", new_label=given_label), "labelled"),
        (sent(key=key, note="n" * 5_000), "A note may have"),
        (sent(key=key, note="a\0b"), "U+0000"),
        (sent(key=key, place="elsewhere"), "not open any more"),
    ]
    ann, bob = ({"here": Shown(desk, queue, name)} for name in ("ann", "bob"))
    for one, why in refused:
        later = sent(key=key)
        moved, failed = answer_decisions(ann, message(one, later).pending)
        assert moved is None
        assert list(failed) == [one["id"]], "a later decision waits"
        assert why in failed[one["id"]]
        assert desk.reviews.events() == []
    # Somebody else's step is not theirs to take back.
    good = sent(key=key)
    answer_decisions(ann, message(good).pending)
    undo = {"id": secrets.token_hex(16), "place": "here", "undo": True, "of": good["id"]}
    answer_decisions(bob, message(undo).pending)
    assert desk.effective(0) is not None
    # Sent twice is stored once.
    st.session_state.clear()
    answer_decisions(ann, message(good, good).pending)
    assert len(desk.reviews.events()) == 1


def test_a_rejection_from_the_desk_answers_what_is_proposed_and_its_undo_asks_again(desk):
    train_split = desk.session.project.dataset.train
    ann = {"here": Shown(desk, Queue("q", np.arange(len(desk.scores))), "ann")}
    said = Choice(3, "exclude", note="twice").about(train_split, desk.classes)
    step = Action("agent:helper", [said], desk.session.project.fingerprint)
    ProposalStore(desk.reviews).propose(step)
    (card,) = window(desk, ann["here"].queue, "ann", message(want={"n": 1, "at": 29}), {})
    assert card["proposed"] == []
    shown = window(desk, ann["here"].queue, "ann", None, {})[3]["proposed"]
    assert [one["text"] for one in shown] == ["Proposed by agent:helper: exclude"]
    assert shown[0]["accepted"] == "proposed by agent:helper: twice"
    no = {"id": secrets.token_hex(16), "place": "here", "key": f"{said.key:016x}", "reject": True}
    before = len(desk.reviews.events())
    answer_decisions(ann, message(no).pending)
    assert desk.proposals.waiting() == {}
    assert len(desk.queue(QueueFilter(state="proposed"))) == 0
    undo = {"id": secrets.token_hex(16), "place": "here", "undo": True, "of": no["id"]}
    moved, failed = answer_decisions(ann, message(no, undo).pending)
    assert (moved["rows"], moved["index"], failed) == (1, 3, {})
    assert list(desk.proposals.waiting()) == [3]
    assert desk.queue(QueueFilter(state="proposed")).tolist() == [3]
    assert len(desk.reviews.events()) == before


@pytest.mark.parametrize("at", [10**15, 29, 30])
def test_rows_beyond_the_end_are_no_rows(desk, at):
    queue = Queue("q", np.arange(len(desk.scores)))
    rows = window(desk, queue, "ann", message(want={"n": 1, "at": at}), {})
    assert [row["index"] for row in rows] == list(range(at, len(desk.scores)))[:1]
