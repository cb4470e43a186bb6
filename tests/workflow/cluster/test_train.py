"""Training and encoding on a real local Ray cluster of two workers, one of them killed."""

import json
import threading

import numpy as np
import psutil
import pytest
import tiny
import torch
from big_project import big_project
from ray_deaths import dying_once, has_died

from influence_core.errors import CancelledError, ModelError
from influence_core.influence.sides import both_sides
from influence_core.store.project import Project
from influence_core.training.features import Standardised
from influence_core.workflow.cluster import encode as cluster_encode
from influence_core.workflow.cluster import train as cluster_train
from influence_core.workflow.cluster.encode import on_cluster
from influence_core.workflow.cluster.train import in_shares, sides_on_cluster, train_task
from influence_core.workflow.session import open_session
from influence_core.workflow.train import head as module
from influence_core.workflow.train.head import TrainOptions, encode, train

ROWS = 3_000
OPTIONS = TrainOptions(members=5, width=64, seed=3, epochs=4, device="cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    root = tmp_path_factory.mktemp("cluster") / "big"
    return big_project(root, ROWS, 3, dim=24, options=None)


@pytest.fixture(scope="module")
def local(project):
    return train(project, OPTIONS)


def assert_same_run(one, other):
    """Equal but for what a sum in another order rounds, through every step of training."""
    for name, tensor in one.tensors().items():
        np.testing.assert_allclose(other.tensors()[name], tensor, atol=2e-3, err_msg=name)
    mine, theirs = one.table("rows"), other.table("rows")
    assert mine.columns.tolist() == theirs.columns.tolist()
    assert mine["key"].tolist() == theirs["key"].tolist()
    for column in ("aum", "flipped_label", "self_influence", "self_influence_stderr"):
        np.testing.assert_allclose(theirs[column], mine[column], atol=5e-3, err_msg=column)
    stages = [[event["stage"] for event in run.progress()] for run in (one, other)]
    assert stages[0] == stages[1]


@pytest.mark.parametrize("kill", [False, True])
def test_members_trained_apart_are_the_members(
    cluster, project, local, kill, tmp_path, monkeypatch
):
    marker = tmp_path / "marker"
    if kill:
        work = dying_once(cluster_train._pass_over, marker)
        monkeypatch.setattr(cluster_train, "_pass_over", work)
    there = train(project, OPTIONS, cluster=cluster)
    assert has_died(marker) == kill
    assert_same_run(local, there)
    for name, value in local.record.metrics.items():
        assert there.record.metrics[name] == pytest.approx(value, abs=0.02), name


def test_the_cluster_stops_early_where_one_machine_does(cluster, project):
    options = TrainOptions(members=4, width=32, seed=1, device="cpu")
    here, there = train(project, options), train(project, options, cluster=cluster)
    assert here.record.metrics["epochs"] == there.record.metrics["epochs"]
    assert_same_run(here, there)


def test_sides_from_shards_are_the_sides(cluster, project, local):
    session = open_session(project, local.id, device="cpu")
    features = Standardised.fit(project.features("train"), torch.device("cpu"))
    evidence, head = session.evidence, session.head
    training = module.preset("standard").training(ROWS, 1, 0)
    work = train_task(cluster, project, features, head.config, training)
    told = []
    found = sides_on_cluster(cluster, work, head, ROWS, shard=700, progress=told.append)
    own = both_sides(features, evidence.labels, evidence.keys, head)
    for name in ("flipped", "learned", "self_influence", "stderr"):
        np.testing.assert_allclose(getattr(found, name), getattr(own, name), atol=1e-5)
    assert [event.done for event in told] == [700, 1400, 2100, 2800, 3000]


def small(folder):
    made = tiny.project(folder, 700)
    tiny.encoder(folder / "encoder")
    return made.with_settings(encoder="hf:encoder")


def test_features_encoded_apart_are_the_features(cluster, tmp_path, monkeypatch):
    here, there = small(tmp_path / "here"), small(tmp_path / "there")
    marker = tmp_path / "marker"
    monkeypatch.setattr(cluster_encode, "_encoded", dying_once(cluster_encode._encoded, marker))
    one, other = encode(here, device="cpu"), encode(there, device="cpu", cluster=cluster)
    assert has_died(marker)
    for split in one.dataset.splits:
        assert one.features_path(split).read_bytes() == other.features_path(split).read_bytes()
        cards = [p.features_path(split).with_suffix(".json") for p in (one, other)]
        mine, theirs = (json.loads(card.read_text("utf-8")) for card in cards)
        assert mine == theirs


def test_what_a_worker_refuses_is_told_as_on_one_machine(cluster, tmp_path):
    made = encode(small(tmp_path / "broken"), device="cpu")
    weights = tmp_path / "broken" / "encoder" / "model.safetensors"
    compute = on_cluster(cluster, made, "train")
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match="encoder"):
        list(compute([np.arange(4)]))


def test_cancelling_keeps_what_was_encoded(cluster, tmp_path):
    made, stop = small(tmp_path / "cancelled"), threading.Event()
    with pytest.raises(CancelledError):
        encode(made, device="cpu", cluster=cluster, progress=lambda _: stop.set(), cancel=stop)
    done = encode(Project.open(made.root), device="cpu", cluster=cluster)
    again = encode(small(tmp_path / "whole"), device="cpu")
    for split in again.dataset.splits:
        assert done.features_path(split).read_bytes() == again.features_path(split).read_bytes()


def test_shares_hold_every_member_once():
    for members in range(1, 12):
        for workers in range(9):
            shares = in_shares(members, workers)
            assert [m for share in shares for m in share] == list(range(members))
            assert len(shares) == min(members, max(workers, 1))
            assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_workers_answer_on_this_machine_only(cluster, project):
    train(project, TrainOptions(members=2, width=16, epochs=1, device="cpu"), cluster=cluster)
    listening = [
        connection.laddr.ip
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert listening
    assert [ip for ip in listening if ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")] == []
