"""Copies that move to train: left out of their splits, kept there, and brought back."""

import pytest
from copied import now

from influence_core.errors import DataError
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.review.copies import as_now, keep_all, keep_one, keep_one_each
from influence_core.workflow.review.items import ItemReviews
from influence_core.workflow.review.moves import can_move, move_back, move_to_train


def gone(desk, split):
    """Positions that an export of the split would leave out."""
    edits, _ = decided_edits(desk.session.project, split)
    return sorted(edit.row for edit in edits if edit.action == "remove")


def test_what_moved_is_left_out_of_its_split_and_stays_in_train(desk):
    leaking = [one for one in now(desk) if one.leaks]
    assert [can_move(one) for one in now(desk)] == [False, False, True, True, False]
    held = [row for one in leaking for row in one.rows if row.split == "test"]
    assert [move_to_train(desk, one, "ann") for one in leaking] == [2, 1]
    assert gone(desk, "test") == sorted(row.position for row in held)
    assert gone(desk, "train") == []
    edits, _ = decided_edits(desk.session.project, "test")
    assert {edit.reason.split(": ")[2].split(" of row ")[0] for edit in edits} == {
        "copy", "near copy",
    }  # fmt: skip
    for one in as_now(desk, leaking):
        assert one.moved and one.leaks and not can_move(one)
        assert [one.remains(row) for row in one.rows if row.split == "test"] == [False] * len(
            [row for row in one.rows if row.split == "test"]
        )
    assert [move_to_train(desk, one, "ann") for one in as_now(desk, leaking)] == [0, 0]


def test_a_set_that_moved_is_one_within_train(desk):
    for one in now(desk):
        move_to_train(desk, one, "ann")
    desk.decide("ann", keep_one_each(desk, now(desk)))
    for one in now(desk):
        left = [row.position for row in one.training if not row.excluded]
        assert left == ([one.stays] if one.training else [])
        assert one.settled


def test_what_moved_comes_back_by_who_moved_it_set_by_set(desk):
    before = now(desk)
    first, second = (one for one in before if one.leaks)
    move_to_train(desk, first, "ann")
    move_to_train(desk, second, "ann")
    first, second = as_now(desk, [first, second])
    with pytest.raises(DataError, match="only they can move them back"):
        move_back(desk, first, "bob")
    assert move_back(desk, first, "ann") == 2
    assert [one.moved for one in as_now(desk, [first, second])] == [False, True]
    assert move_back(desk, second, "ann") == 1
    assert now(desk) == before
    assert gone(desk, "test") == []


def test_only_what_train_still_holds_can_be_left_out_elsewhere(desk):
    one = next(one for one in now(desk) if one.leaks)
    desk.decide("ann", keep_one(desk, one))  # which excludes its training rows
    (excluded,) = as_now(desk, [one])
    assert excluded.settled and not can_move(excluded)
    assert move_to_train(desk, excluded, "ann") == 0
    inside = next(one for one in now(desk) if one.training and not one.leaks)
    assert not can_move(inside) and move_to_train(desk, inside, "ann") == 0
    assert gone(desk, "test") == []


def test_items_that_moved_count_no_more_and_what_people_keep_stays(desk):
    items = ItemReviews(desk.session.project, "test")
    one = [one for one in now(desk) if one.leaks][1]
    desk.decide("ann", keep_all(one))
    move_to_train(desk, *as_now(desk, [one]), "ann")
    assert {word.outcome for word in items.counting().values()} == {"exclude"}
    assert len(items.counting()) == 1
    (moved,) = as_now(desk, [one])
    assert {row.outcome for row in moved.training} == {"keep"}
