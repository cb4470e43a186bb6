"""A network run answers everything that a head run does, or says why not."""

import json

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from typer.testing import CliRunner

from influence_core.cleansing.choose import Selection
from influence_core.cli import app
from influence_core.errors import MismatchError, ModelError
from influence_core.influence import ESTIMATORS
from influence_core.influence.network_scan import network_scan
from influence_core.store.evaluations import EvaluationRecord, write_evaluation
from influence_core.training.networks.registry import NetworkSettings, build_network
from influence_core.training.networks.types import NetworkTraining
from influence_core.workflow.cleanse.find_harm import CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cleanse.trial import trial
from influence_core.workflow.cleanse.trials import selection_of
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified, own_item
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session
from influence_core.workflow.session_network import (
    FOREIGN,
    HEAD_ONLY,
    ONE_BY_ONE,
    last_layer_of,
)
from influence_core.workflow.train.network import NetworkOptions, train_network
from influence_core.workflow.train.publish import publish


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    project = tiny.project(tmp_path_factory.mktemp("home") / "films", 66)
    tiny.reader(project.root / "encoder")
    training = NetworkTraining(epochs=30, batch=8, watch="nothing", device="cpu")
    train_network(project, NetworkOptions("encoder", 1, learning_rate=0.01, training=training))
    return open_session(project, device="cpu")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """The run of a script of the user's own."""
    project = tiny.project(tmp_path_factory.mktemp("foreign") / "films", 40)
    tiny.encoder(project.root / "encoder")
    network = build_network(NetworkSettings("hf:encoder", 2), root=project.root)
    publish(project, network.model, network.prepare)
    return open_session(project, device="cpu")


def first(session):
    return find_item(session, "test", int(session.project.dataset.split("test").keys[0]))


def test_the_last_layer_gives_the_stored_predictions(session):
    table = session.run.table("pred-test")
    rows = session.split_features("test").rows(torch.arange(len(table)))
    proba = session.head.proba(rows).numpy()
    np.testing.assert_array_equal(proba.argmax(1), table["predicted"])
    np.testing.assert_allclose(proba.max(1), table["confidence"], atol=5e-3)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_estimator_answers_or_says_why_not(session, name):
    if name in session.unavailable():
        with pytest.raises(ModelError, match="whole network"):
            explain(session, first(session), ExplainOptions(name))
        return
    answer = explain(session, first(session), ExplainOptions(name, k=5))
    assert len(answer.helpful) == 5
    assert np.isfinite(answer.helpful["influence"]).all()
    assert answer.scored == len(session.evidence)


def test_turn_over_is_the_general_scan(session):
    item = first(session)
    answer = explain(session, item, ExplainOptions("turnover", k=3))
    network = session.network().network
    text = session.project.dataset.split("test").items(np.array([0]))
    scores = network_scan(
        network.model, network.prepare(text), torch.tensor([item.predicted]), session.evidence.keys
    )[0]
    np.testing.assert_allclose(
        answer.helpful["influence"], scores.sort(descending=True).values[:3], atol=1e-6
    )


def test_a_sentence_of_the_users_own_goes_through_the_network(session):
    item = own_item(session, "a dull grey mess")
    network = session.network().network
    with torch.no_grad():
        direct = network.model(**network.prepare(["a dull grey mess"])).softmax(1)[0]
    np.testing.assert_allclose(item.proba, direct, atol=5e-3)
    assert len(explain(session, item, ExplainOptions("turnover", k=2)).helpful) == 2


def test_unavailable_says_what_and_why(session, foreign):
    heads = {"gradient": HEAD_ONLY, "replay": HEAD_ONLY, "together": HEAD_ONLY}
    assert session.unavailable() == heads
    assert session.unavailable(many=True) == heads | {"turnover": ONE_BY_ONE}
    why = "SentenceClassifier is no class of transformers"
    assert foreign.unavailable()["turnover"] == f"{FOREIGN}: {why}."
    with pytest.raises(ModelError, match="script of its author's"):
        explain(foreign, first(foreign), ExplainOptions("turnover"))
    with pytest.raises(
        ModelError, match=r"script of its author's.* explain an item of the project"
    ):
        own_item(foreign, "a lovely warm film")
    assert len(explain(foreign, first(foreign), ExplainOptions(k=4)).harmful) == 4


def default_of(session, name, settings=None):
    """Make an estimator the project's default, as an evaluation does."""
    session.project.with_settings(default_estimator=name)
    record = EvaluationRecord(session.run.id, "2026-01-01T00:00:00", name, "", settings or {})
    write_evaluation(session.project.root, record)


BLEND = {"combined": {"weights": {"turnover": 0.5, "similarity": 0.5}}}


@pytest.mark.parametrize(
    ("name", "alone", "many"),
    [
        ("similarity", "similarity", "similarity"),
        ("gradient", "flipped-ridge", "flipped-ridge"),
        ("turnover", "turnover", "flipped-ridge"),
        ("combined", "flipped-ridge", "flipped-ridge"),
        ("of a later version", "flipped-ridge", "flipped-ridge"),
    ],
)
def test_a_default_that_the_run_cannot_serve_gives_way(session, name, alone, many):
    default_of(session, name, BLEND)
    try:
        assert (session.estimator(), session.estimator(many=True)) == (alone, many)
        assert explain(session, first(session)).options.estimator == alone
        assert len(open_desk(session).evidence([0, 1])) == 2
    finally:
        default_of(session, "")


def test_in_its_place_stands_the_best_measured_one_that_can(session):
    lds = {"gradient": 0.9, "similarity": 0.7, "flipped-ridge": 0.6, "ceiling": 1.0}
    table = pd.DataFrame({"estimator": lds.keys(), "lds_misclassified": lds.values()})
    session.run.add_table("eval-estimators", table.assign(lds_random=table["lds_misclassified"]))
    default_of(session, "gradient")
    try:
        assert session.estimator() == "similarity"
    finally:
        default_of(session, "")
        (session.run.folder / "eval-estimators.parquet").unlink()


def test_a_blend_with_a_part_for_heads_is_named_as_such_where_it_is_asked_for(session):
    default_of(session, "combined", BLEND)
    try:
        with pytest.raises(ModelError, match=r"'combined' cannot .* Turn-over dropout. Choose one"):
            explain(session, first(session), ExplainOptions("combined"))
    finally:
        default_of(session, "")


def test_the_command_line_explains_a_network_run(session, tmp_path):
    arguments = [str(session.project.root), "--estimator", "turnover", "--top", "3", "--json"]
    wrong = misclassified(session, "test")
    item = session.project.dataset.split("test").ids[0]
    path = tmp_path / "scores.npy"
    done = CliRunner().invoke(app, ["explain", *arguments, "--item", item, "--scores", str(path)])
    assert done.exit_code == 0, done.output
    best = [row["influence"] for row in json.loads(done.stdout)["helpful"]]
    assert len(best) == 3
    np.testing.assert_allclose(-np.sort(-np.load(path)[0])[:3], best, atol=1e-6)
    assert set(wrong.columns) >= {"key", "predicted"}


def test_cleansing_asks_a_head_on_the_networks_features(session):
    found = find_harm(session, CleanseOptions(TargetSplit("valid"), drop=0.2, step=0.1))
    assert len(selection_of(session, found.edits()).touched) == len(found.edits())
    result = trial(session, Selection(np.arange(5)), ["test"], seeds=2)
    assert result.verdicts


def test_a_cut_off_network_run_is_refused(session):
    wanted = session.run.tensors()
    wanted.pop("last")
    with pytest.raises(MismatchError, match="'last' is missing"):
        last_layer_of(session.run, wanted, 66, 2, torch.device("cpu"))
