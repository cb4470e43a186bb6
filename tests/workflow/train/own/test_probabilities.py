"""A user's model by its probabilities: its mistakes, flags and residuals, without training."""

import numpy as np
import pandas as pd
import pytest
import torch
from cleanlab.rank import get_label_quality_scores
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.options import ReadOptions
from influence_core.errors import DataError, MismatchError, StoreError
from influence_core.influence.base import Targets
from influence_core.store.project import Project, projects_home
from influence_core.training.features import Standardised
from influence_core.workflow.cleanse.rounds import ranking
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified
from influence_core.workflow.projects.create import NewProject, create
from influence_core.workflow.projects.named import read_places
from influence_core.workflow.review.scores import label_table
from influence_core.workflow.session import open_session
from influence_core.workflow.session_network import Leaning
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.own import linear as own_linear
from influence_core.workflow.train.own import probabilities as own_model
from influence_core.workflow.train.own.linear import leave_one_out
from influence_core.workflow.train.own.probabilities import publish_probabilities

N, TEST, D, C = 150, 60, 6, 3
CLASSES = ("a", "b", "c")
RIDGE = ExplainOptions(estimator="flipped-ridge")


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


class Study:
    """Rows, features, and a model of the user's that is right on about three quarters of them."""

    def __init__(self, folder):
        rng = np.random.default_rng(0)
        self.folder = folder
        true = rng.integers(0, C, N + TEST)
        self.x = (rng.normal(size=(N + TEST, D)) + 2 * np.eye(D)[true]).astype(np.float32)
        self.proba = softmax(1.5 * rng.normal(size=(N + TEST, C)) + 2 * np.eye(C)[true])
        self.labels = true
        frame = pd.DataFrame({"id": range(N + TEST), "v": self.x[:, 0]})
        frame["label"] = np.array(CLASSES)[true]
        frame[:N].to_csv(folder / "train.csv", index=False)
        frame[N:].to_csv(folder / "test.csv", index=False)
        np.save(folder / "x.npy", self.x[:N])
        np.save(folder / "t.npy", self.x[N:])
        np.save(folder / "oof.npy", self.proba[:N])
        np.save(folder / "proba.npy", self.proba[N:])
        sure = softmax(9 * np.eye(C)[true[:N]])
        np.save(folder / "inside.npy", sure)

    def project(self):
        options = ReadOptions(
            features=str(self.folder / "x.npy"), test_features=str(self.folder / "t.npy")
        )
        source, test = str(self.folder / "train.csv"), str(self.folder / "test.csv")
        request = NewProject(source, test=test, name="study", options=options)
        return create(request, projects_home())

    def place(self, name):
        return str(self.folder / name)

    @property
    def places(self):
        return {"train": self.place("oof.npy"), "test": self.place("proba.npy")}


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def numbers(split):
    return np.array([int(i) for i in split.ids])


def test_their_mistakes_are_listed_and_their_labels_ranked_as_cleanlab_ranks_them(study):
    project = study.project()
    session = open_session(project, publish_probabilities(project, study.places).id, "cpu")
    split = project.dataset.split("test")
    theirs = study.proba[numbers(split)]
    wrong = misclassified(session, "test")
    assert set(wrong["key"]) == set(split.keys[theirs.argmax(1) != split.labels])
    train_rows = project.dataset.train
    oof = study.proba[numbers(train_rows)]
    scores = label_table(session)
    confidence = get_label_quality_scores(train_rows.labels, oof, method="self_confidence")
    ours = scores.sort_values("suspicion_rank")["position"].to_numpy()
    assert np.array_equal(ours, np.argsort(confidence.astype(np.float32), kind="stable"))
    margin = get_label_quality_scores(train_rows.labels, oof, method="normalized_margin")
    assert np.allclose(scores["cleanlab_quality"], margin, atol=1e-6)


def test_the_ridge_is_about_their_residuals_and_nothing_is_trained(study, monkeypatch):
    def refuse(*arguments, **switches):
        raise AssertionError("something was trained")

    monkeypatch.setattr("influence_core.training.heads.fit.fit_heads", refuse)
    monkeypatch.setattr("influence_core.workflow.train.head.fit_heads", refuse)
    project = study.project()
    session = open_session(project, publish_probabilities(project, study.places).id, "cpu")
    split = project.dataset.split("test")
    key = int(misclassified(session, "test")["key"].iloc[0])
    at = split.position(key)
    item = find_item(session, "test", key)
    theirs = study.proba[numbers(split)[at]].astype(np.float32)
    assert np.allclose(item.proba, theirs)
    found = explain(session, item, RIDGE, keep=True).scores
    # By hand: the same estimator asked with the average of their probabilities of this item and of
    # those of a linear model.
    x = session.split_features("test").rows(torch.tensor([at]))
    label = torch.tensor([item.predicted])
    linear = leave_one_out(session.features, session.evidence.labels, C)
    other = (x @ linear.weight + linear.bias).softmax(1)
    targets = Targets(x, label, (torch.from_numpy(theirs)[None] + other) / 2)
    rows = torch.from_numpy(study.proba[numbers(project.dataset.train)]).float()
    assert torch.allclose(session.evidence.leaning, (rows + linear.outside) / 2, atol=1e-5)
    wanted = (
        session.prepared("flipped-ridge").query(targets).scores(slice(0, len(session.evidence)))
    )
    assert np.allclose(found, wanted.scores[0].numpy(), rtol=1e-4, atol=1e-5)


def test_what_harms_a_split_is_the_mean_over_its_mistakes_by_their_probabilities(study):
    project = study.project()
    session = open_session(project, publish_probabilities(project, study.places).id, "cpu")
    found = ranking(session, TargetSplit("test", "misclassified"), "flipped-ridge")
    split = project.dataset.split("test")
    theirs = study.proba[numbers(split)].astype(np.float32)
    rows, ridge = slice(0, N), session.prepared("flipped-ridge")
    slow, unaveraged = [], []
    for at in np.flatnonzero(theirs.argmax(1) != split.labels):
        x = session.split_features("test").rows(torch.tensor([at]))
        label, own = torch.tensor([int(split.labels[at])]), torch.from_numpy(theirs[at])[None]
        linear = session.leaning.linear.proba(x)
        for told, out in (((own + linear) / 2, slow), (own, unaveraged)):
            out.append(ridge.query(Targets(x, label, told)).scores(rows).scores[0].numpy())
    assert np.allclose(found.score, np.mean(slow, 0), rtol=1e-4, atol=1e-5)
    assert not np.allclose(found.score, np.mean(unaveraged, 0), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("damping", own_linear.DAMPINGS)
def test_each_row_is_predicted_by_a_linear_model_that_has_not_seen_it(damping, monkeypatch):
    monkeypatch.setattr(own_linear, "DAMPINGS", (damping,))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 5))
    x -= x.mean(0)  # as standardised ones are
    features = Standardised.using(x.astype(np.float32), torch.zeros(5), torch.ones(5))
    labels = torch.arange(40) % 3
    found = leave_one_out(features, labels, 3)
    own, wanted = np.c_[x, np.ones(40)], np.eye(3)[labels.numpy()]
    ridge = np.diag([damping * (x**2).sum(0).mean()] * 5 + [0.0])
    sharp = float(found.bias.sum())  # the shares of the classes sum to one
    for i in range(0, 40, 7):
        rest = np.delete(np.arange(40), i)
        fit = np.linalg.solve(own[rest].T @ own[rest] + ridge, own[rest].T @ wanted[rest])
        alone = torch.from_numpy(own[i] @ fit * sharp).softmax(0)
        assert torch.allclose(found.outside[i].double(), alone, atol=1e-4)


def test_a_linear_model_of_other_rows_is_refused(study):
    project = study.project()
    run = publish_probabilities(project, study.places)
    tensors = run.tensors()
    assert open_session(project, run.id, "cpu").leaning is not None
    tensors["leaning/rows"] = tensors["leaning/rows"][1:]
    with pytest.raises(MismatchError, match="linear model"):
        Leaning.of(run, tensors, open_session(project, run.id, "cpu").head)
    del tensors["leaning/rows"]  # a run of before
    assert Leaning.of(run, tensors, open_session(project, run.id, "cpu").head) is None


def test_with_other_splits_alone_a_run_of_ours_lends_its_flipped_side(study):
    project = study.project()
    only = {"test": study.place("proba.npy")}
    with pytest.raises(StoreError, match="no trained run"):
        publish_probabilities(project, only)
    head = train(project, TrainOptions(members=4, width=16, epochs=2, device="cpu"))
    run = publish_probabilities(project, only)
    assert run.record.config["flipped_of"] == head.id
    session = open_session(project, run.id, "cpu")
    split = project.dataset.split("test")
    hits = study.proba[numbers(split)].argmax(1) == split.labels
    assert run.record.metrics["test_accuracy"] == pytest.approx(hits.mean())
    assert torch.equal(
        session.evidence.flipped, open_session(project, head.id, "cpu").evidence.flipped
    )


def test_rows_that_the_model_was_trained_on_are_recognised_and_refused(study):
    project = study.project()
    inside = study.places | {"train": study.place("inside.npy")}
    with pytest.raises(DataError, match=r"100\.0% of the training rows .* cross-validation"):
        publish_probabilities(project, inside)
    with pytest.raises(DataError, match="--out-of-sample"):
        publish_probabilities(project, {"train": study.place("oof.npy")})
    assert project.runs() == []
    publish_probabilities(project, inside, known_out_of_sample=True)


def written(study, values, **more):
    path = study.folder / "odd.npz"
    np.savez(path, proba=values, **more)
    return {"train": str(path), "test": study.place("proba.npy")}


def test_classes_may_be_named_in_any_order(study):
    order = [2, 0, 1]
    places = written(study, study.proba[:N, order], classes=np.array(CLASSES)[order])
    project = study.project()
    session = open_session(project, publish_probabilities(project, places).id, "cpu")
    wanted = study.proba[numbers(project.dataset.train)]
    assert np.allclose(session.evidence.flipped.numpy(), wanted, atol=1e-6)
    frame = pd.DataFrame(study.proba[:N], columns=CLASSES)[[*"cab"]].assign(id=range(N))
    frame.sample(frac=1, random_state=0).to_parquet(study.folder / "p.parquet")
    places["train"] = study.place("p.parquet")
    again = open_session(project, publish_probabilities(project, places).id, "cpu")
    assert torch.allclose(again.evidence.flipped, session.evidence.flipped)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: 3 * p, "with the sum 3; give those after softmax"),
        (np.log, "after softmax"),
        (lambda p: p[:, :2], r"2 probabilities a row, and the project has 3 classes"),
        (lambda p: p[:-1], "149 rows"),
        (lambda p: np.where(np.arange(N)[:, None] == 4, np.nan, p), "row '4' of train"),
        (lambda p: np.where(np.arange(N)[:, None] == 4, 1e30, p), "row '4' of train"),
    ],
)
def test_what_are_no_probabilities_of_these_rows_is_one_sentence(study, change, says):
    project = study.project()
    with pytest.raises(DataError, match=says):
        publish_probabilities(project, written(study, change(study.proba[:N])))
    assert project.runs() == []
    assert [p.name for p in project.root.glob(".tmp*")] == []


def test_other_classes_and_other_splits_are_one_sentence(study):
    project = study.project()
    other = written(study, study.proba[:N], classes=np.array(["a", "b", "z"]))
    with pytest.raises(DataError, match=r"about the classes .*'z'"):
        publish_probabilities(project, other)
    with pytest.raises(DataError, match="no such split"):
        publish_probabilities(project, {"dev": study.place("oof.npy")})


@pytest.mark.parametrize("told", ["", "a.npy", "train=", "train=a.npy,train=b.npy"])
def test_what_does_not_name_splits_and_files_is_refused(told):
    with pytest.raises(DataError, match="--proba"):
        read_places(told)


def test_a_comma_in_a_path_parts_no_files():
    assert read_places("train=/a,b/x.npy, test=t.npy") == {"train": "/a,b/x.npy", "test": "t.npy"}


def test_new_makes_project_and_run_at_once_or_neither(study):
    def new(name, proba):
        files = ("--test", study.place("test.csv"), "--features", study.place("x.npy"))
        more = ("--test-features", study.place("t.npy"), "--proba", proba, "--name", name)
        return CliRunner().invoke(app, ["new", study.place("train.csv"), *files, *more])

    test = f"test={study.place('proba.npy')}"
    refused = new("bad", f"train={study.place('inside.npy')},{test}")
    assert refused.exit_code == 1
    assert not (projects_home() / "bad").exists()
    assert new("good", f"train={study.place('oof.npy')},{test}").exit_code == 0
    assert len(Project.open(projects_home() / "good").runs()) == 1


def test_the_stand_in_predicts_what_a_linear_model_predicts(study, monkeypatch):
    project = study.project()
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(D, C))
    theirs = softmax(0.3 * study.x @ weights)
    np.save(study.folder / "oof.npy", theirs[:N])
    run = publish_probabilities(
        project, {"train": study.place("oof.npy")}, known_out_of_sample=True
    )
    found = run.table("pred-test")["predicted"].to_numpy()
    wanted = theirs[numbers(project.dataset.split("test"))].argmax(1)
    assert (found == wanted).mean() > 0.95
    assert own_model.WHY in run.record.config["not_kept"]
