import numpy as np
import pandas as pd
import pytest
from tiny import project

from influence_core.labels.scores import COLUMNS
from influence_core.workflow.review.scores import (
    PLANTED,
    best_ranking,
    label_table,
)
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture
def session(tmp_path):
    made = project(tmp_path / "home" / "tiny", n=90)
    train(made, TrainOptions(members=4, width=64, epochs=4))
    return open_session(type(made).open(made.root))


def test_the_table_is_stored_with_the_run_and_read_from_there(session):
    table = label_table(session)
    assert list(table.columns) == list(COLUMNS)
    np.testing.assert_array_equal(table["key"], session.project.dataset.train.keys)
    assert session.run.has_table("labels")
    stored = session.run.table("labels").assign(aum=7.0)
    session.run.add_table("labels", stored)
    assert (label_table(session)["aum"] == 7.0).all()


def test_the_queue_follows_the_column_that_the_evaluation_ranks_best(session):
    assert best_ranking(session) == "flipped"
    marks = {"flipped": 0.4, "self_influence": 0.9, "unknown": 1.0}
    table = pd.DataFrame({"column": list(marks), "average_precision": list(marks.values())})
    session.run.add_table(PLANTED, table)
    assert best_ranking(session) == "self_influence"
    queue = label_table(session).sort_values("suspicion_rank")
    assert queue["self_influence"].is_monotonic_decreasing
