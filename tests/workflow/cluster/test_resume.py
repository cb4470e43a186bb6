"""The verb `train --ray` after its driver was stopped: the same call goes on from the shares."""

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
from big_project import big_project
from resuming import assert_same_run as assert_same

from influence_core.disk.checkpoint import FOLDER
from influence_core.errors import CancelledError
from influence_core.store.project import Project
from influence_core.training.heads import checkpoint as head_checkpoint
from influence_core.workflow.cluster.cluster import Cluster
from influence_core.workflow.cluster.train import ClusterLoop
from influence_core.workflow.train.head import TrainOptions, train

OPTIONS = TrainOptions(members=5, width=32, seed=3, epochs=4, device="cpu")


class DriverDiedError(Exception):
    """What a driver that dies leaves: nothing after this is done."""


@pytest.fixture(autouse=True)
def always(monkeypatch):
    monkeypatch.setattr(head_checkpoint, "SECONDS", 0.0)


@pytest.fixture(autouse=True)
def workers(monkeypatch):
    """Call it to have another number of workers, as far as shares go; two at first."""

    def have(number):
        monkeypatch.setattr(Cluster, "workers", property(lambda _: number))

    have(2)
    return have


@pytest.fixture
def epochs(monkeypatch):
    """The number of shares in each epoch that a cluster makes."""
    made, epoch = [], ClusterLoop.epoch

    def counted(self, cancel):
        epoch(self, cancel)
        made.append(len(self.shares))

    monkeypatch.setattr(ClusterLoop, "epoch", counted)
    return made


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return big_project(tmp_path_factory.mktemp("resume") / "big", 1_500, 3, dim=24, options=None)


@pytest.fixture
def made(source, tmp_path):
    return Project.open(shutil.copytree(source.root, tmp_path / "big"))


def kept(made):
    return list((made.root / FOLDER).glob("*"))


def die_at(made, stage, done, options=OPTIONS, **where):
    def die(event):
        if event.stage == stage and event.done >= done:
            raise DriverDiedError

    with pytest.raises(DriverDiedError):
        train(made, options, progress=die, **where)


def test_a_killed_training_ends_like_an_unbroken_one(cluster, made, epochs):
    die_at(made, "train", 2, cluster=cluster)
    assert not made.runs()
    assert len(kept(made)) == 1
    resumed = train(made, OPTIONS, cluster=cluster)
    assert epochs == [2] * 4
    assert not kept(made)
    unbroken = train(made, OPTIONS, cluster=cluster)
    assert epochs == [2] * 8
    assert not kept(made)
    assert_same(resumed, unbroken)


def test_a_cancelled_training_that_stops_by_itself_ends_like_an_unbroken_one(cluster, made, epochs):
    options, cancel = replace(OPTIONS, epochs=None), threading.Event()

    def stop(event):
        if (event.stage, event.done) == ("train", 2):
            cancel.set()

    with pytest.raises(CancelledError):
        train(made, options, progress=stop, cancel=cancel, cluster=cluster)
    assert len(epochs) == 2
    resumed = train(made, options, cluster=cluster)
    all_of_them = len(epochs)
    assert_same(resumed, train(made, options, cluster=cluster))
    assert len(epochs) == 2 * all_of_them


def test_a_training_killed_after_its_last_epoch_takes_the_sides_only(cluster, made, epochs):
    die_at(made, "sides", 1, cluster=cluster)
    resumed = train(made, OPTIONS, cluster=cluster)
    assert len(epochs) == 4
    assert_same(resumed, train(made, OPTIONS, cluster=cluster))


@pytest.mark.parametrize("now", [1, 3, 8])
def test_another_number_of_workers_goes_on_with_other_shares(cluster, made, epochs, workers, now):
    die_at(made, "train", 2, cluster=cluster)
    workers(now)
    resumed = train(made, OPTIONS, cluster=cluster)
    assert epochs == [2, 2] + [min(now, OPTIONS.members)] * 2
    assert not kept(made)
    workers(2)
    unbroken = train(made, OPTIONS, cluster=cluster)
    # As near as members trained apart are to those of one machine: test_cluster_train.
    for name, tensor in unbroken.tensors().items():
        np.testing.assert_allclose(resumed.tensors()[name], tensor, atol=2e-3, err_msg=name)
    mine, theirs = resumed.table("rows"), unbroken.table("rows")
    np.testing.assert_allclose(mine["aum"], theirs["aum"], atol=5e-3)
    assert len(resumed.progress()) == len(unbroken.progress()) == 4


def test_one_machine_and_a_cluster_never_go_on_with_each_other(cluster, made, epochs):
    local = train(made, OPTIONS)
    die_at(made, "train", 2, cluster=cluster)
    of_cluster = kept(made)
    assert_same(train(made, OPTIONS), local)
    assert kept(made) == of_cluster  # it may still be gone on with
    die_at(made, "train", 3)
    assert len(kept(made)) == 2
    resumed = train(made, OPTIONS, cluster=cluster)
    assert len(epochs) == 4
    (of_machine,) = kept(made)
    assert [of_machine] != of_cluster
    # Even under the name that a training on the cluster would look for.
    of_machine.rename(of_cluster[0])
    assert_same(train(made, OPTIONS, cluster=cluster), resumed)
    assert len(epochs) == 8
