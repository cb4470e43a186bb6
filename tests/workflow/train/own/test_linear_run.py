"""A linear model of features alone: a run that is looked at while a head is trained."""

import numpy as np
import pandas as pd
import pytest
import torch

from influence_core.data.options import ReadOptions
from influence_core.store.project import projects_home
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.session import open_session
from influence_core.workflow.train.own import linear_run
from influence_core.workflow.train.own.linear import leave_one_out
from influence_core.workflow.train.own.linear_run import publish_linear

N, D, C = 300, 6, 3


@pytest.fixture
def project(tmp_path):
    rng = np.random.default_rng(0)
    true = rng.integers(0, C, N)
    x = (rng.normal(size=(N, D)) + 1.5 * np.eye(D)[true]).astype(np.float32)
    frame = pd.DataFrame({"id": range(N), "v": x[:, 0], "label": np.array(["a", "b", "c"])[true]})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    np.save(tmp_path / "x.npy", x)
    options = ReadOptions(features=str(tmp_path / "x.npy"))
    return create(NewProject(str(tmp_path / "rows.csv"), options=options), projects_home())


def test_training_rows_are_judged_without_themselves_and_other_rows_by_all_of_them(project):
    run = publish_linear(project)
    session = open_session(project, run.id, "cpu")
    labels = torch.from_numpy(np.array(project.dataset.train.labels))
    wanted = leave_one_out(session.features, labels, C)
    torch.testing.assert_close(session.evidence.flipped, wanted.outside)
    x = session.split_features("test").resident
    proba = (x @ wanted.weight + wanted.bias).softmax(1)
    table = run.table("pred-test")
    assert table["predicted"].tolist() == proba.argmax(1).tolist()
    assert np.allclose(table["confidence"], proba.amax(1), atol=1e-4)
    assert run.record.metrics["test_accuracy"] > 0.6
    assert run.record.called == "linear model"
    assert not session.own  # nothing of it is the user's
    assert session.own_features  # and nothing new can be encoded


def test_a_mistake_is_explained_and_what_needs_a_head_says_so(project):
    session = open_session(project, publish_linear(project).id, "cpu")
    key = int(misclassified(session, "test")["key"].iloc[0])
    answer = explain(session, find_item(session, "test", key), ExplainOptions())
    assert len(answer.helpful) == len(answer.harmful) == 12
    missing = session.unavailable()
    assert missing["turnover"] == "A linear model has no masks; train a head, which has."
    assert "linear model" in missing["gradient"]


@pytest.mark.parametrize(("name", "value"), [("MOST", N), ("MOST_FEATURES", D - 1)])
def test_nobody_waits_for_a_large_one(project, monkeypatch, name, value):
    monkeypatch.setattr(linear_run, name, value)
    assert publish_linear(project) is None
    assert project.runs() == []
