"""What events mean together, without a database."""

import numpy as np

from influence_core.store.reviews.events import Decision, Event
from influence_core.store.reviews.state import ReviewState
from influence_core.store.reviews.store import Extent


def event(number, reviewer, key, verdict="keep", *, content=1, action="", undoes=""):
    verdict, _, label = verdict.partition(" ")
    decision = Decision(key, content, verdict, "cat", label or None)
    return Event(number, "t", reviewer, decision, "f", "", action or f"a{number}", undoes)


def folded(*events):
    state = ReviewState()
    state.add(events)
    return state


def test_what_counts_names_the_latest_who_speaks_for_it_and_how_many_have_a_word():
    said = [event(1, "ann", 5, "relabel dog"), event(2, "bob", 5, "relabel dog"),
            event(3, "cy", 5, "keep"), event(4, "di", 5, "unsure")]  # fmt: skip
    found = folded(*said).effective(5)
    assert (found.outcome, found.event, found.reviewers) == ("relabel", said[1], 4)
    assert found.new_label == "dog"
    disputed = folded(said[0], said[2], said[3]).effective(5)
    assert (disputed.outcome, disputed.event, disputed.reviewers) == ("disputed", said[3], 3)
    assert disputed.new_label is None
    unsure = event(5, "ed", 5, "unsure")
    nobody = folded(unsure, said[3]).effective(5)
    assert (nobody.outcome, nobody.event, nobody.reviewers) == ("unsure", unsure, 2)


def test_two_new_labels_of_one_row_are_two_sides():
    one, other = event(1, "ann", 5, "relabel dog"), event(2, "bob", 5, "relabel cow")
    assert folded(one, other).effective(5).outcome == "disputed"


def test_a_row_that_nobody_decided_has_nothing_that_counts():
    state = folded(event(1, "ann", 5))
    assert state.effective(6) is None
    assert state.words(6) == {}
    assert set(state.all_effective()) == {5}


def test_a_word_that_came_after_what_counts_was_asked_changes_it():
    state = folded(event(1, "ann", 5, "keep"))
    assert state.effective(5).outcome == "keep"
    state.add([event(2, "ann", 5, "exclude")])
    assert state.effective(5).outcome == "exclude"


def test_a_step_that_is_taken_back_leaves_the_one_before_and_events_after_it_count():
    state = folded(
        event(1, "ann", 5, "keep", action="one"),
        event(2, "ann", 5, "exclude", action="two"),
        event(3, "ann", 6, "exclude", action="two"),
        event(4, "ann", 5, "exclude", action="three", undoes="two"),
        event(5, "ann", 6, "exclude", action="three", undoes="two"),
        event(6, "ann", 7, "keep", action="four"),
    )
    assert {key: e.outcome for key, e in state.all_effective().items()} == {5: "keep", 7: "keep"}
    assert state.steps("ann") == {"one": 1, "four": 1}


def test_steps_count_their_rows_and_are_those_of_one_reviewer():
    state = folded(event(1, "ann", 5, action="one"), event(2, "ann", 6, action="one"),
                   event(3, "bob", 5, action="two"))  # fmt: skip
    assert (state.steps("ann"), state.steps("bob")) == ({"one": 2}, {"two": 1})
    assert state.steps("cy") == {}
    state.steps("ann").clear()
    assert state.steps("ann") == {"one": 2}


def test_what_was_taken_back_before_it_was_seen_is_no_step():
    taken_back = event(2, "ann", 5, action="late", undoes="early")
    state = folded(taken_back, event(1, "ann", 5, action="early"), event(3, "ann", 6))
    assert state.steps("ann") == {"a3": 1}
    assert set(state.all_effective()) == {6}


def test_a_reviewer_s_words_come_latest_first_and_are_no_one_else_s():
    events = [event(1, "ann", 5), event(2, "bob", 6), event(3, "ann", 7), event(4, "ann", 6)]
    assert folded(*events).said_by("ann") == [events[3], events[2], events[0]]
    assert folded(*events).said_by("cy") == []


def test_by_reviewer_tells_verdicts_with_their_label():
    state = folded(event(1, "ann", 5, "relabel dog"), event(2, "ann", 6, "exclude"),
                   event(3, "bob", 5, "keep"))  # fmt: skip
    assert state.by_reviewer() == {
        "ann": {5: "relabel dog", 6: "exclude"},
        "bob": {5: "keep"},
    }


def test_only_rows_that_are_there_and_as_they_were_count():
    big = 2**64 - 1
    state = folded(event(1, "ann", big, content=9), event(2, "ann", 5, content=8),
                   event(3, "ann", 6, content=7))  # fmt: skip
    keys, hashes = (np.array(a, np.uint64) for a in ([4, 5, big], [1, 7, 9]))
    assert {p: e.event.number for p, e in state.counting(keys, hashes).items()} == {2: 1}
    assert list(state.counting(keys, np.array([1, 8, 9], np.uint64))) == [1, 2]
    assert ReviewState().counting(keys, hashes) == {}


class Told:
    """A database of which one says what it holds, and what it gives."""

    def __init__(self, extent, events):
        self.there, self.given = extent, events

    def extent(self):
        return self.there

    def events(self, after=0):
        return [e for e in self.given if e.number > after]


def test_what_came_between_two_questions_waits_for_the_next_time():
    first, second = event(1, "ann", 5), event(2, "ann", 6)
    store, state = Told(Extent(1, 1), [first, second]), ReviewState()
    assert state.catch_up(store)
    assert set(state.all_effective()) == {5}
    assert state.extent == Extent(1, 1)
    store.there = Extent(2, 2)
    assert state.catch_up(store)
    assert set(state.all_effective()) == {5, 6}
    assert not state.catch_up(store)


def test_where_numbers_do_not_fit_all_is_read_again_up_to_what_was_told():
    first, late, third, fourth = (event(n, "ann", n) for n in (1, 2, 3, 4))
    store, state = Told(Extent(2, 3), [first, third]), ReviewState()
    state.catch_up(store)
    store.there, store.given = Extent(3, 3), [first, late, third, fourth]
    assert state.catch_up(store)
    assert set(state.all_effective()) == {1, 2, 3}
    assert state.steps("ann") == {"a1": 1, "a2": 1, "a3": 1}
