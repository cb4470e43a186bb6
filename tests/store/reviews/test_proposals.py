"""Proposals wait beside the decisions, on both databases, and count for nothing until answered."""

from contextlib import closing

import pytest
from tiny import project

from influence_core.store.project import Project
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.proposals import ProposalStore, accepted
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import URL_VARIABLE, ReviewStore, open_reviews, separate
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.exchange.standing import standing_decisions

AGENT = "agent:helper"


@pytest.fixture
def store(url):
    with closing(ReviewStore(url, "films")) as opened:
        yield opened


def say(key, label="dog", note=""):
    return Decision(key, 1, "relabel", "cat", label, note)


def act(who, *decisions, **given):
    return Action(who, decisions, "f" * 64, **given)


def waiting(store):
    """Asked by somebody who opens the database now; by key, what is proposed."""
    found = ProposalStore(store).waiting()
    return {key: [e.decision.new_label for e in events] for key, events in found.items()}


def counts(store):
    state = ReviewState()
    state.catch_up(store)
    return {key: word.outcome for key, word in state.all_effective().items()}


def test_a_proposal_counts_for_nothing_until_a_person_says_something_of_its_row(store):
    proposals = ProposalStore(store)
    assert proposals.propose(act(AGENT, say(1), say(2))) == 2
    assert (counts(store), standing_decisions(store)) == ({}, [])
    assert waiting(store) == {1: ["dog"], 2: ["dog"]}
    (event,) = proposals.waiting()[1]
    store.append(act("ann", accepted(event), id="step"))
    assert counts(store) == {1: "relabel"}
    assert waiting(store) == {2: ["dog"]}
    store.undo("step", act("ann"))
    assert counts(store) == {}
    assert waiting(store) == {1: ["dog"], 2: ["dog"]}


def test_a_rejection_is_of_one_row_and_undone_by_who_said_it_alone(store):
    proposals = ProposalStore(store)
    proposals.propose(act(AGENT, say(1), say(2)))
    assert proposals.reject(act("ann", say(1), id="no")) == 1
    assert waiting(store) == {2: ["dog"]}
    assert counts(store) == {}
    assert proposals.undo("no", act("bob")) == []
    assert waiting(store) == {2: ["dog"]}
    assert proposals.undo("no", act("ann")) == [1]
    assert waiting(store) == {1: ["dog"], 2: ["dog"]}


def test_what_was_rejected_is_not_asked_again_but_another_label_is(store):
    proposals = ProposalStore(store)
    proposals.propose(act(AGENT, say(1)))
    proposals.reject(act("ann", say(1)))
    assert proposals.propose(act(AGENT, say(1, note="really"))) == 0
    assert waiting(store) == {}
    assert proposals.propose(act(AGENT, say(1, "bird"))) == 1
    assert proposals.propose(act("agent:other", say(1))) == 1
    assert waiting(store) == {1: ["bird", "dog"]}


def test_who_accepts_says_who_proposed_it_in_a_note_that_fits(store):
    proposals = ProposalStore(store)
    proposals.propose(act(AGENT, say(1, note="looks so"), say(2, note="x" * 4000)))
    first, second = (accepted(events[0]) for events in proposals.waiting().values())
    assert first.note == "proposed by agent:helper: looks so"
    assert len(second.note) == 4000


@pytest.fixture
def films(url, tmp_path, monkeypatch):
    monkeypatch.setenv(URL_VARIABLE, url)
    return project(tmp_path / "home" / "films", n=12)


def propose(films, *positions, content=None, label=None):
    train, classes = films.dataset.train, films.dataset.classes
    made = []
    for p in positions:
        given = classes[train.labels[p]]
        other = label or next(name for name in classes if name != given)
        content_hash = int(train.content_hashes[p]) if content is None else content
        made.append(Decision(int(train.keys[p]), content_hash, "relabel", given, other))
    with closing(open_reviews(films)) as store:
        ProposalStore(store).propose(act(AGENT, *made))


def shown(films):
    with closing(open_reviews(films)) as store:
        found = ProposalStore(store).waiting_for(films.dataset.train, films.dataset.classes)
        return {position: events[-1] for position, events in found.items()}


def test_cleansing_and_decisions_ignore_proposals_until_they_are_accepted(films):
    propose(films, 2, 5)
    assert list(shown(films)) == [2, 5]
    assert decided_edits(films) == ((), frozenset())
    assert films.decisions().empty
    with closing(open_reviews(films)) as store:
        store.append(act("ann", accepted(shown(films)[5])))
    (edit,) = decided_edits(films)[0]
    assert edit.key == int(films.dataset.train.keys[5])
    assert edit.who == "ann"
    assert edit.reason == "decided: relabel (proposed by agent:helper)"


def test_what_makes_no_sense_any_more_is_not_shown(films):
    propose(films, 1, content=123)
    propose(films, 2, label="a class that is gone")
    assert shown(films) == {}


def test_a_separated_copy_keeps_what_waits_and_what_is_answered(films):
    propose(films, 1, 2, 3)
    events = shown(films)
    with closing(open_reviews(films)) as store:
        store.append(act("ann", accepted(events[1])))
        ProposalStore(store).reject(act("ann", events[2].decision))
    assert list(shown(films)) == [3]
    separate(films)
    assert list(shown(Project.open(films.root))) == [3]
