"""Which rows made the model doubt a training row's label."""

import pytest
from tiny import project

from influence_core.errors import DataError
from influence_core.workflow.explain.doubt_rows import doubt_rows
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny", n=90)
    train(made, TrainOptions(members=4, width=64, epochs=8))
    return open_session(type(made).open(made.root))


def test_the_rows_are_those_that_speak_against_the_label_the_row_itself_never(session):
    data = session.project.dataset.train
    for position in (0, 7, 40):
        key = int(data.keys[position])
        found = doubt_rows(session, key, k=5)
        assert not session.takes_a_pass(found.estimator)  # answered at once
        assert found.label == data.labels[position]
        assert key not in {*found.against["key"], *found.for_it["key"]}
        assert (found.against["influence"] < 0).all() and (found.for_it["influence"] > 0).all()
        item = find_item(session, "train", key)
        options = ExplainOptions(found.estimator, toward="true", k=5)
        assert list(explain(session, item, options).harmful["key"]) == list(found.against["key"])


def test_a_key_of_no_row_is_refused(session):
    with pytest.raises(DataError):
        doubt_rows(session, 1)
