import numpy as np
import pytest
from tiny import png, project

from influence_core.errors import DataError, ModelError
from influence_core.influence import ESTIMATORS
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified, own_item, predictions
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=4, width=64, epochs=4))
    return open_session(type(made).open(made.root))


@pytest.fixture(scope="module")
def item(session):
    return find_item(session, "test", int(session.project.dataset.split("test").keys[0]))


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_lists_are_sorted_signed_and_complete(session, item, name):
    answer = explain(session, item, ExplainOptions(estimator=name, k=90))
    assert (answer.helpful["influence"] > 0).all()
    assert (answer.harmful["influence"] < 0).all()
    assert answer.helpful["influence"].is_monotonic_decreasing
    assert answer.harmful["influence"].is_monotonic_increasing
    assert not set(answer.helpful["key"]) & set(answer.harmful["key"])
    assert answer.scored == answer.total == 90


def test_among_ranks_only_that_class(session, item):
    answer = explain(session, item, ExplainOptions(among="predicted", k=90))
    labels = {*answer.helpful["label"], *answer.harmful["label"]}
    assert labels == {session.classes[item.predicted]}
    assert answer.total == int((session.project.dataset.train.labels == item.predicted).sum())


def test_toward_asks_about_that_label(session, item):
    for toward, label in (("true", item.true), ("predicted", item.predicted)):
        assert explain(session, item, ExplainOptions(toward=toward)).label == label


def test_a_training_row_does_not_explain_itself(session):
    key = int(session.project.dataset.train.keys[5])
    answer = explain(session, find_item(session, "train", key), ExplainOptions(k=90))
    assert key not in {*answer.helpful["key"], *answer.harmful["key"]}


def test_the_same_sentence_typed_in_gets_the_same_answer(session, item):
    text = session.project.dataset.split("test").texts([0])[0]
    mine = own_item(session, text)
    np.testing.assert_allclose(mine.features, item.features, atol=0.05)  # float16 on disk
    same = explain(session, mine).helpful["key"][:3].tolist()
    assert same == explain(session, text).helpful["key"][:3].tolist()
    assert same == explain(session, item).helpful["key"][:3].tolist()


def test_bad_items_are_refused_in_one_sentence(session, item):
    with pytest.raises(DataError, match="empty"):
        own_item(session, "  ")
    with pytest.raises(DataError, match="holds sentences; give it a sentence"):
        own_item(session, png(3))
    with pytest.raises(ModelError, match="does not know the label 'meh'"):
        own_item(session, "fine", "meh")
    with pytest.raises(DataError, match="no true label"):
        explain(session, own_item(session, "fine"), ExplainOptions(toward="true"))


def test_misclassified_is_worst_first_and_all_wrong(session):
    wrong = misclassified(session, "test")
    everything = predictions(session, "test")
    assert len(wrong) == (everything["label"] != everything["predicted"]).sum()
    assert wrong["p_label"].is_monotonic_increasing
