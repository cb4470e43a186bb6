"""Work on a device that is not the CPU, with features that are too large to be kept on it (B7)."""

import sys

import numpy as np
import pytest
import torch
from other_device import OTHER, other_device
from tiny import project

from influence_core.classifier import TurnoverClassifier
from influence_core.influence import ESTIMATORS
from influence_core.store.project import Project
from influence_core.training import features
from influence_core.workflow.cleanse.cleansings import save_cleansing
from influence_core.workflow.cleanse.find_harm import CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cleanse.trials import run_trial
from influence_core.workflow.evaluate.evaluate import evaluate
from influence_core.workflow.evaluate.work import EvaluateOptions
from influence_core.workflow.explain.all_scores import write_scores
from influence_core.workflow.explain.explain import ExplainOptions, explain, find_item
from influence_core.workflow.explain.prove import prove
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, encode, train

OPTIONS = TrainOptions(members=2, width=16, epochs=30)


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A trained project; from here on every device is the other one."""
    made = encode(project(tmp_path / "films", n=90), device="cpu")
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith("influence_core.") and hasattr(
            module, "pick_device"
        ):
            monkeypatch.setattr(module, "pick_device", lambda *_: OTHER)
    with other_device():
        train(made, OPTIONS)
        yield Project.open(made.root)


@pytest.fixture(params=[1 << 30, 0], ids=["resident", "on disk"])
def session(there, monkeypatch, request):
    monkeypatch.setattr(features, "RESIDENT_BYTES", request.param)
    return open_session(there)


def test_what_stands_for_a_device_refuses_what_a_device_refuses():
    with other_device() as device:
        x = torch.arange(3.0).to(device)
        assert x.device.type != "cpu"
        assert (x * 2).cpu().tolist() == [0, 2, 4]
        for wrong in (
            x.numpy,
            lambda: x + torch.ones(3),
            lambda: torch.ones(3)[x.long()],
        ):
            with pytest.raises((RuntimeError, TypeError)):
                wrong()


@pytest.mark.parametrize("by", ["rounds", "count", "fraction"])
def test_a_cleansing_runs_on_another_device(session, by):
    drop = 4 if by == "count" else 0.1
    found = find_harm(session, CleanseOptions(TargetSplit("test"), by=by, drop=drop))
    assert found.computed
    # Of rounds the last one; the one that counts may have removed nothing.
    number = found.rounds[-1].number if by == "rounds" else None
    trial = run_trial(session, save_cleansing(session, found), number, seeds=2)
    assert set(trial.table["arm"]) == {"nothing removed", "cleansed", "random removed"}


def test_the_labels_desk_gets_its_evidence_from_another_device(session):
    assert len(open_desk(session).evidence([0, 5])) == 2


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_explains_on_another_device(session, name):
    key = int(session.project.dataset.split("test").keys[0])
    answer = explain(session, find_item(session, "test", key), ExplainOptions(name, k=3))
    assert answer.scored == len(session.evidence)


def test_a_proof_and_all_scores_of_an_item_come_from_another_device(session, tmp_path):
    key = int(session.project.dataset.split("test").keys[0])
    item = find_item(session, "test", key)
    rows = session.project.dataset.train.keys[:3]
    assert prove(session, item, rows, retrainings=2)
    scores = write_scores(session, item, ExplainOptions(), tmp_path / "scores.npy")
    assert scores.shape == (1, len(session.evidence))


@pytest.mark.slow
def test_an_evaluation_runs_on_another_device(session):
    few = EvaluateOptions(what=("lds", "loo", "planted"), targets=2, subsets=10)
    assert evaluate(session, few)


def test_the_classifier_trains_and_explains_on_another_device(there):
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    model = TurnoverClassifier(members=2, width=16, epochs=2).fit(X, y)
    assert model.flipped_proba().shape == (60, 3)
    assert model.influence(X[:2], y[:2]).scores.shape == (2, 60)
