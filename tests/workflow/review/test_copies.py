"""Decisions on sets of copies: exactly one of each set stays, whoever decided what before."""

from copied import now
from hypothesis import given
from hypothesis import strategies as st

from influence_core.store.copies import FILE
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.copies import (
    all_copies,
    copies_known,
    keep_all,
    keep_one,
    keep_one_each,
    one_label,
    other_labels,
    quick_copies,
)
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session


def remaining(desk, one):
    """Positions of the training rows of a set that no decision leaves out."""
    out = desk.outcomes()
    return [row.position for row in one.training if out[row.position] != "exclude"]


def test_conflicts_come_first_then_what_leaks_and_what_is_not_trained_on_last(desk):
    sets = now(desk)
    assert [one.differ for one in sets] == [True, True, True, False, True]
    assert [one.leaks for one in sets] == [False, False, True, True, False]
    assert sets[-1].training == ()
    assert [one.kind for one in sets] == ["near", "exact", "exact", "near", "exact"]
    assert [one.settled for one in sets] == [False] * 4 + [True]
    assert [one.stays is None for one in sets] == [False, False, True, True, True]


def test_they_are_found_once_and_exact_ones_at_once(desk):
    project = desk.session.project
    assert not copies_known(project)
    assert {one.kind for one in quick_copies(project)} == {"exact"}
    found = all_copies(project)
    assert copies_known(project)
    assert sorted(quick_copies(project), key=found.index) == found
    (project.root / FILE).unlink()
    assert all_copies(project) == found


def test_one_step_leaves_one_of_each_set_and_one_undo_takes_it_back(desk):
    sets = now(desk)
    choices = keep_one_each(desk, sets)
    assert desk.decide("ann", choices) == len(choices) == 3 + 1 + 2 + 2
    for one in now(desk):
        assert remaining(desk, one) == ([one.stays] if one.training and not one.leaks else [])
        assert one.settled
    assert keep_one_each(desk, now(desk)) == []
    notes = {choice.note for choice in choices}
    assert any(note.startswith("near copy of row ") for note in notes)
    assert any(note.startswith("copy of row ") and note.endswith(" of test") for note in notes)
    desk.undo("ann")
    assert now(desk) == sets


def test_another_row_may_stay_and_comes_back_if_it_was_left_out(desk):
    one = now(desk)[0]
    desk.decide("ann", keep_one(desk, one))
    other = next(row.position for row in one.training if row.position != one.stays)
    desk.decide("ann", keep_one(desk, now(desk)[0], other))
    assert remaining(desk, now(desk)[0]) == [other]


def test_labels_as_decided_have_the_voice(desk):
    pair = now(desk)[1]
    first = pair.training[0]
    assert pair.tied
    desk.decide("ann", [Choice(first.position, "relabel", "good")])
    again = now(desk)[1]
    assert (again.stays, again.tied) == (first.position, False)
    assert again.differ  # in the file


def test_a_set_that_somebody_keeps_is_left_alone(desk):
    for one in now(desk)[:4]:
        desk.decide("ann", keep_all(one))
    assert all(one.settled for one in now(desk))
    assert keep_one_each(desk, now(desk)) == []


def test_one_label_for_all_keeps_all(desk):
    one = now(desk)[0]
    desk.decide("ann", one_label(desk, one))
    again = now(desk)[0]
    assert again.settled
    assert len(remaining(desk, again)) == len(one.training)
    labels = {row.new_label or desk.classes[row.label] for row in again.training}
    assert len(labels) == 1
    assert one_label(desk, again) == []


def test_a_row_is_told_of_a_copy_with_another_label(desk):
    dataset = desk.session.project.dataset
    found = other_labels(dataset, all_copies(desk.session.project))
    assert {at for one in now(desk)[:2] for at in (r.position for r in one.training)} <= set(found)
    for at, (one, other) in found.items():
        name, place = one.rows[other]
        assert ("train", at) in one.rows
        assert dataset.split(name).labels[place] != dataset.train.labels[at]


WORDS = st.tuples(st.integers(20, 29), st.sampled_from(["keep", "exclude", "flip"]))


@given(said=st.lists(WORDS, max_size=8), who=st.sampled_from(["ann", "bob", "eve"]))
def test_exactly_one_row_of_each_open_set_stays_whatever_was_decided(made, said, who):
    """Rows 20 to 29 are those of the sets; one reviewer decides, so that nothing is disputed."""
    desk = open_desk(open_session(made, None, "cpu"))
    try:
        train = made.dataset.train
        for at, verdict in said:
            label = made.dataset.classes[1 - int(train.labels[at])]
            flip = verdict == "flip"
            desk.decide(who, [Choice(at, "relabel" if flip else verdict, label if flip else None)])
        before = now(desk)
        desk.decide(who, keep_one_each(desk, before))
        for one in before:
            left = remaining(desk, one)
            if one.settled:
                assert left == [row.position for row in one.training if not row.excluded]
            else:
                assert left == ([] if one.leaks else [one.stays])
        others = {row for one in before for row in one.rows if row.split != "train"}
        assert all(row.outcome == "" for row in others)
    finally:
        while desk.undoable(who):
            desk.undo(who)
        desk.reviews.close()
