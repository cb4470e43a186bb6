"""What is said about estimators, before and after an evaluation."""

import json

import pytest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.influence import ESTIMATORS
from influence_core.workflow.evaluate.estimators import estimator_table
from influence_core.workflow.evaluate.evaluate import EvaluateOptions, evaluate
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


def test_every_estimator_says_what_it_does_and_where_it_comes_from():
    table = estimator_table()
    assert table["estimator"].tolist() == list(ESTIMATORS)
    assert (table["explanation"].str.len() > 60).all()
    assert (table["source"].str.len() > 10).all()
    told = CliRunner().invoke(app, ["estimators"])
    assert told.exit_code == 0
    assert "Kobayashi et al. 2020" in told.output


def test_an_evaluation_adds_accuracy_and_cost(tmp_path):
    made = project(tmp_path / "tiny", n=60)
    train(made, TrainOptions(members=2, width=16, epochs=2))
    assert "ms per item" not in estimator_table(made)
    report = evaluate(open_session(made), EvaluateOptions(("lds",), targets=2, subsets=10))
    table = estimator_table(made).set_index("estimator")
    assert (table["ms per item"] > 0).all()
    stored = report.tables["estimators"].set_index("estimator")["lds_random"]
    assert table["LDS on random items"].tolist() == pytest.approx(
        stored.drop("ceiling").reindex(table.index).tolist(), nan_ok=True
    )
    told = CliRunner().invoke(app, ["estimators", str(made.root), "--json"])
    assert len(json.loads(told.output)) == len(ESTIMATORS)
