"""Work on a graphics card, with features that are kept on it or too large for that."""

import numpy as np
import pytest
from card import CUDA, card
from devices import filled
from tiny import project

from influence_core.classifier import TurnoverClassifier
from influence_core.errors import ResourceError
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
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.proof.prove import prove
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, encode, train
from pages.ui.draw.text import plain
from pages.ui.errors.explained import _finished
from pages.ui.frame import settings

OPTIONS = TrainOptions(members=2, width=16, epochs=30)


@pytest.fixture
def owner():
    """A card, until the end of the test."""
    with card() as made:
        yield made


@pytest.fixture
def there(tmp_path, owner):
    """A project that was trained on the card."""
    made = project(tmp_path / "films", n=90)
    encode(made)
    train(made, OPTIONS)
    return Project.open(made.root)


@pytest.fixture(params=[1 << 30, 0], ids=["resident", "on disk"])
def session(there, monkeypatch, request):
    monkeypatch.setattr(features, "resident_bytes", lambda device: request.param)
    return open_session(there)


@pytest.mark.parametrize("by", ["rounds", "count", "fraction"])
def test_a_cleansing_runs_on_a_card(session, by):
    drop = 4 if by == "count" else 0.1
    found = find_harm(session, CleanseOptions(TargetSplit("test"), by=by, drop=drop))
    assert found.computed
    # Of rounds the last one; the one that counts may have removed nothing.
    number = found.rounds[-1].number if by == "rounds" else None
    trial = run_trial(session, save_cleansing(session, found), number, seeds=2)
    assert set(trial.table["arm"]) == {"nothing removed", "cleansed", "random removed"}


def test_the_labels_desk_gets_its_evidence_from_a_card(session):
    assert len(open_desk(session).evidence([0, 5])) == 2


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_explains_on_a_card(session, name):
    key = int(session.project.dataset.split("test").keys[0])
    answer = explain(session, find_item(session, "test", key), ExplainOptions(name, k=3))
    assert answer.scored == len(session.evidence)


def test_a_proof_and_all_scores_of_an_item_come_from_a_card(session, tmp_path):
    key = int(session.project.dataset.split("test").keys[0])
    item = find_item(session, "test", key)
    rows = session.project.dataset.train.keys[:3]
    assert prove(session, item, rows, retrainings=2)
    scores = write_scores(session, item, ExplainOptions(), tmp_path / "scores.npy")
    assert scores.shape == (1, len(session.evidence))


@pytest.mark.slow
def test_an_evaluation_runs_on_a_card(session):
    few = EvaluateOptions(what=("lds", "loo", "planted"), targets=2, subsets=10)
    assert evaluate(session, few)


def test_the_classifier_trains_and_explains_on_a_card(there):
    draw = np.random.default_rng(0)
    X, y = draw.normal(size=(60, 5)).astype(np.float32), np.arange(60) % 3
    model = TurnoverClassifier(members=2, width=16, epochs=2).fit(X, y)
    assert model.flipped_proba().shape == (60, 3)
    assert model.influence(X[:2], y[:2]).scores.shape == (2, 60)


def test_where_the_features_lie_is_told(there, owner):
    kept = open_session(there)
    assert kept.placed == "0.1 MB of features lie in its memory"
    with filled(kept.device, 2 * 90 * 384 * 4, owner):  # a quarter of it may be taken
        full = open_session(there)
    assert full.features.resident is None
    assert full.placed == "0.1 MB of features are read from disk, chunk by chunk"
    assert open_session(there, device="cpu").placed == ""


def test_the_page_names_the_card_and_what_lies_on_it(there):
    opened = open_session(there)
    item = find_item(opened, "test", int(there.dataset.split("test").keys[0]))
    told = _finished(opened, explain(opened, item, ExplainOptions("similarity", k=3)))
    assert told.startswith(f"90 rows scored on {plain('Card of the tests (cuda)')} in ")
    assert told.endswith("; 0.1 MB of features lie in its memory.")
    assert settings._device() == plain(
        "Card of the tests (cuda). 8.0 of 8.0 GiB of memory are free"
    )


def test_a_training_that_does_not_fit_says_what_to_lower(tmp_path, owner):
    made = project(tmp_path / "films", n=60)
    with filled(CUDA, 1 << 16, owner), pytest.raises(ResourceError, match="'minilm' does not fit"):
        encode(made)
    encode(made)
    with filled(CUDA, 1 << 16, owner), pytest.raises(ResourceError, match="smaller --size"):
        train(made, OPTIONS)
