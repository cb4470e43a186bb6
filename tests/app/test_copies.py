"""Duplicates on the Labels page: one set, all sets, another row, and the way back."""

import pytest
from errors_page import APP
from streamlit.testing.v1 import AppTest
from tiny import sentences

from influence_core.data.build import build_dataset
from influence_core.store.project import Project, projects_home
from influence_core.workflow.cleanse.decided import decided_edits
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture
def made():
    """Twenty rows; three of them once more, one of these in test, one with another label."""
    texts, labels = sentences(20)
    train_rows = {"text": [*texts, texts[1], texts[1], texts[2]]}
    train_rows["label"] = [*labels, 1 - labels[1], labels[1], labels[2]]
    held = {"text": [texts[3], "seen by nobody before"], "label": [labels[3], 1]}
    built = build_dataset({"train": train_rows, "test": held}, ["bad", "good"])
    project = Project.create(projects_home() / "copied", "Copied", built, "minilm")
    train(project, TrainOptions(members=1, width=8, epochs=1))
    return project


@pytest.fixture
def page(made):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "copied"
    test.run().switch_page("pages/labels.py")
    test.session_state["view"] = "copies"
    return calm(test.run())


def calm(test):
    assert not test.exception
    assert not test.error
    return test


def excluded(made):
    found = made.decisions()
    train = made.dataset.train
    keys = found["key"][found["outcome"] == "exclude"]
    return sorted(train.position(int(key, 16)) for key in keys)


def words(test):
    return " ".join(part.value for part in [*test.markdown, *test.caption])


def press(test, label, number=0):
    return calm([b for b in test.button if b.label.startswith(label)][number].click().run())


def test_sets_stand_in_order_with_their_kinds(page):
    said = words(page)
    assert "**3 sets** of copies: 1 with different labels, 1 in train and in another split" in said
    assert said.index("**1 · Exact copies** · 3 rows") < said.index("labels differ")
    assert said.index("labels differ") < said.index("in train and test")
    assert said.index("in train and test") < said.index("**3 · Exact copies** · 2 rows")


def test_all_sets_are_counted_before_they_are_decided(page, made):
    """What saves stands in a dialog, which runs in a browser alone (tests/browser)."""
    press(page, "Exclude all but one of each set")
    assert any(b.label == "Exclude 4 training rows" for b in page.button)
    assert "**4 training rows** of 3 sets" in words(page)
    assert excluded(made) == []


def test_a_set_is_decided_and_another_row_may_stay(page, made):
    press(page, "Exclude the 2 other rows")
    assert excluded(made) == [20, 21]
    press(page, "Keep this one instead", 1)
    assert excluded(made) == [1, 20]
    press(page, "Exclude the training row")
    assert excluded(made) == [1, 3, 20]
    press(page, "Undo my last step")
    assert excluded(made) == [1, 20]


def test_what_leaks_may_move_to_train_and_back(page, made):
    press(page, "Move to train")
    assert not any(b.label == "Move to train" for b in page.button)
    assert excluded(made) == []  # of train
    assert [edit.row for edit in decided_edits(made, "test")[0]] == [0]
    assert "moved to train" in " ".join(part.value for part in page.markdown)
    press(page, "Move back")
    assert decided_edits(made, "test")[0] == ()
    assert any(b.label == "Move to train" for b in page.button)


def test_a_set_may_be_kept_or_given_one_label(page, made):
    press(page, "Keep all", 2)
    press(page, "Change all to")
    assert "2 decided" in words(page)
    found = made.decisions()
    assert sorted(found["outcome"]) == ["keep", "keep", "keep", "keep", "relabel"]
    press(page, "Exclude all but one of each set")
    assert any(b.label == "Exclude 1 training row" for b in page.button)
