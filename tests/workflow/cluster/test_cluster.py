"""A real local Ray cluster of two workers; one is killed in the middle of a scan."""

import threading

import numpy as np
import pandas as pd
import pytest
import torch
from big_project import big_project
from own_project import cells
from ray_deaths import dying_once, has_died

from influence_core.data.options import ReadOptions
from influence_core.errors import CancelledError
from influence_core.influence.scan import CHUNK, mean_influence, scan
from influence_core.workflow.cleanse.rounds import ranking
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cluster import scan as module
from influence_core.workflow.cluster.scan import ScanTask, mean_on_cluster, scan_on_cluster
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions
from influence_core.workflow.train.own.probabilities import publish_probabilities

ROWS, K = 5 * CHUNK + 100, 15


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    small = TrainOptions(members=2, width=64, epochs=1, device="cpu")
    root = tmp_path_factory.mktemp("cluster") / "big"
    return open_session(big_project(root, ROWS, 3, dim=8, options=small), device="cpu")


@pytest.fixture(scope="module")
def goal(session):
    x = session.split_features("test").rows(torch.arange(2))
    return session.targets(x, torch.tensor([0, 2]))


def assert_same(cluster, local, exact):
    pairs = zip((*cluster.helpful, *cluster.harmful), (*local.helpful, *local.harmful), strict=True)
    for mine, theirs in pairs:
        if exact:
            assert mine.positions.tolist() == theirs.positions.tolist()
            assert mine.scores.tolist() == theirs.scores.tolist()
        np.testing.assert_allclose(mine.scores, theirs.scores, rtol=1e-4)


def local_query(session, name, goal):
    return session.prepared(name).query(goal)


def test_a_worker_killed_in_the_middle_changes_nothing(
    cluster, session, goal, tmp_path, monkeypatch
):
    marker = tmp_path / "marker"
    monkeypatch.setattr(module, "_ranked", dying_once(module._ranked, marker))
    task = ScanTask.of(cluster, session, "turnover", goal)
    out = scan_on_cluster(cluster, task, ROWS, k=K, shard=CHUNK)
    assert has_died(marker)
    assert (out.scored, out.provisional) == (ROWS, False)
    assert_same(out, scan(local_query(session, "turnover", goal), ROWS, k=K), exact=True)


def test_the_ridge_agrees_within_rounding_and_among_candidates(cluster, session, goal):
    candidates = torch.arange(5, ROWS, 3)
    task = ScanTask.of(cluster, session, "flipped-ridge", goal)
    out = scan_on_cluster(cluster, task, ROWS, k=K, shard=CHUNK, candidates=candidates)
    local = scan(local_query(session, "flipped-ridge", goal), ROWS, k=K, candidates=candidates)
    assert out.scored == out.total == len(candidates)
    assert_same(out, local, exact=False)


def test_the_mean_on_a_cluster_is_the_mean(cluster, session, goal):
    mean, error = mean_on_cluster(
        cluster, ScanTask.of(cluster, session, "turnover", goal), ROWS, shard=CHUNK
    )
    own_mean, own_error = mean_influence(local_query(session, "turnover", goal), ROWS)
    np.testing.assert_array_equal(mean, own_mean)
    np.testing.assert_array_equal(error, own_error)


def test_cancelling_ends_a_scan_on_a_cluster(cluster, session, goal):
    stop = threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        scan_on_cluster(
            cluster, ScanTask.of(cluster, session, "turnover", goal), ROWS, k=K, cancel=stop
        )


def test_a_cluster_reads_the_residuals_of_a_users_own_model_as_one_machine_does(cluster, tmp_path):
    source, features = cells(tmp_path)
    options = ReadOptions(features=str(features))
    project = create(NewProject(str(source), name="cells", options=options), tmp_path)
    rng = np.random.default_rng(1)
    for name, split in project.dataset.splits.items():
        sure = 2 * rng.random((len(split), 3)) + np.eye(3)[split.labels]
        np.savez(tmp_path / name, proba=sure / sure.sum(1, keepdims=True), id=split.ids)
    places = {name: str(tmp_path / f"{name}.npz") for name in ("train", "test")}
    run = publish_probabilities(project, places, known_out_of_sample=True)
    session, target = open_session(project, run.id, "cpu"), TargetSplit("test")
    item = find_item(session, "test", int(misclassified(session, "test")["key"].iloc[0]))
    question = ExplainOptions(estimator="flipped-ridge", k=K)
    here, there = (explain(session, item, question, cluster=c) for c in (None, cluster))
    np.testing.assert_allclose(there.helpful["influence"], here.helpful["influence"], rtol=1e-4)
    here, there = (ranking(session, target, "flipped-ridge", cluster=c) for c in (None, cluster))
    np.testing.assert_allclose(there.score, here.score, rtol=1e-4, atol=1e-6)


def test_an_explanation_by_the_cluster_is_the_explanation(cluster, session):
    train = session.project.dataset.train
    item = find_item(session, "train", int(train.keys[CHUNK + 3]))  # which may not list itself
    question = ExplainOptions(estimator="turnover", among="predicted", k=K)
    here = explain(session, item, question)
    there = explain(session, item, question, cluster=cluster)
    pd.testing.assert_frame_equal(there.helpful, here.helpful)
    pd.testing.assert_frame_equal(there.harmful, here.harmful)
    assert there.scored == here.scored
