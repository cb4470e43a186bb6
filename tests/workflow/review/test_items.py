"""Decisions about the items of a split: whose they are, what counts, and the accuracy with them."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import dataset, project

from influence_core.data.build import build_dataset
from influence_core.errors import DataError
from influence_core.store.project import Project
from influence_core.store.reviews.events import Action
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.review.choice import Choice
from influence_core.workflow.review.items import ItemReviews


@pytest.fixture
def made(tmp_path):
    return project(tmp_path / "home" / "tiny", n=30)


def other(made, split, position):
    return made.dataset.classes[1 - made.dataset.split(split).labels[position]]


def keys(made, split="test"):
    return [int(key) for key in made.dataset.split(split).keys]


def test_nothing_is_made_by_looking(made):
    found = ItemReviews(made, "test")
    assert found.counting() == {}
    assert found.word(keys(made)[0]).counts is None
    assert not (made.root / "reviews.db").exists()


def test_a_decision_is_of_its_split_alone_and_becomes_an_edit_there(made):
    found = ItemReviews(made, "test")
    assert found.decide("ann", Choice(2, "relabel", other(made, "test", 2)), run="r") == 1
    assert found.decide("ann", Choice(3, "exclude")) == 1
    edits, kept = decided_edits(made, "test")
    assert [(e.key, e.action) for e in edits] == [
        (keys(made)[2], "relabel"), (keys(made)[3], "remove")
    ]  # fmt: skip
    assert not kept
    for split in ("train", "valid"):
        assert decided_edits(made, split) == ((), frozenset())
    with pytest.raises(DataError, match="not a class"):
        found.decide("ann", Choice(4, "relabel", "no such"))


def test_undo_brings_the_word_before_back_and_a_second_person_disputes(made):
    key, found = keys(made)[0], ItemReviews(made, "test")
    found.decide("ann", Choice(0, "keep"))
    found.decide("ann", Choice(0, "exclude"))
    assert found.word(key).counts.outcome == "exclude"
    assert found.undo("ann", key) == 1
    assert found.word(key).counts.outcome == "keep"
    bob = ItemReviews(made, "test")  # another server on the same project
    bob.decide("bob", Choice(0, "exclude"))
    assert found.word(key).counts.outcome == "disputed"
    assert set(found.word(key).said) == {"ann", "bob"}
    assert decided_edits(made, "test")[0] == ()
    assert bob.undo("cat", key) == 0
    assert bob.undo("bob", key) == found.step("ann", key) == 1
    assert found.word(key).counts.outcome == "keep"


def test_what_was_said_of_other_content_does_not_count(made, tmp_path):
    data, parts = made.dataset, {}
    decision = Choice(0, "exclude").about(data.split("test"), data.classes)
    with closing(open_reviews(made, "test")) as store:
        store.append(Action("ann", [decision], made.fingerprint))
    for name, split in data.splits.items():
        texts = split.texts()
        texts[0] = f"{texts[0]} once more"
        parts[name] = {"text": texts, "label": split.labels.tolist(), "id": split.ids}
    changed = build_dataset(parts, data.classes)
    again = Project.create(tmp_path / "again", "Again", changed, "minilm")
    (made.root / "reviews.db").rename(again.root / "reviews.db")
    there = ItemReviews(again, "test")
    word = there.word(int(changed.split("test").keys[0]))
    assert word.outdated
    assert there.counting() == {}
    assert decided_edits(again, "test") == ((), frozenset())


NAMES = ("", "bad", "good")
VERDICTS = ("relabel", "exclude", "keep", "unsure")


ROW = st.tuples(
    st.sampled_from(NAMES), st.sampled_from(NAMES[1:]), st.sampled_from((None, *VERDICTS))
)


@settings(max_examples=20, deadline=None)
@given(st.lists(ROW, max_size=20))
def test_the_accuracy_is_that_of_a_count_by_hand(tmp_path_factory, rows):
    whole = dataset(20)
    texts = [f"item {i}" for i in range(len(rows))]
    test = {
        "text": texts, "id": texts, "label": [NAMES.index(row[0]) - 1 for row in rows],
    }  # fmt: skip
    train = whole.train
    parts = {"train": {"text": train.texts(), "label": train.labels.tolist(), "id": train.ids}}
    if not any(row[0] for row in rows):
        return
    built = build_dataset({**parts, "test": test}, ["bad", "good"])
    made = Project.create(tmp_path_factory.mktemp("p") / "p", "P", built, "minilm")
    found = ItemReviews(made, "test")
    labels, right, known = [row[0] for row in rows], 0, 0
    for i, (label, predicted, verdict) in enumerate(rows):
        if verdict == "relabel":
            labels[i] = "good" if label != "good" else "bad"
        if verdict == "exclude":
            labels[i] = ""
        if verdict is not None:
            new = labels[i] if verdict == "relabel" else None
            found.decide("ann", Choice(i, verdict, new))
        known += labels[i] != ""
        right += labels[i] == predicted
    table = pd.DataFrame({"label": [r[0] for r in rows], "predicted": [r[1] for r in rows]})
    told = found.accuracy(table)
    assert (told.right_now, told.known_now) == (right, known)
    given = np.array([r[0] for r in rows])
    assert told.known == (given != "").sum()
    assert told.right == (given == table["predicted"]).sum()
    assert told.decided == sum(r[2] in ("relabel", "exclude", "keep") for r in rows)
    assert replace(told, changed=1).sentence("test").startswith("Split test: ")
