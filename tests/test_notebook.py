"""A frame of any kind becomes a project on screen, once, and decisions come back as a frame."""

import time
import urllib.request

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from influence_core import notebook, show
from influence_core.errors import DataError
from influence_core.jobs import find, jobs
from influence_core.store.project import list_projects, projects_home
from influence_core.store.reviews.events import Action, Decision
from influence_core.store.reviews.store import open_reviews

N = 60
RNG = np.random.default_rng(0)
LABELS = np.arange(N) % 2
X = (RNG.normal(size=(N, 4)) + LABELS[:, None]).astype(np.float32)
P = RNG.dirichlet([1, 1], N)


@pytest.fixture
def at_home(monkeypatch):
    monkeypatch.setattr(notebook, "dashboard", lambda home: "http://127.0.0.1:1")


def frame():
    return pd.DataFrame({"id": [f"r{i}" for i in range(N)], "v": X[:, 0], "label": LABELS})


def test_a_frame_with_features_and_probabilities_is_shown_without_training(at_home):
    shown = show(frame(), label="label", features=X, proba=P)
    assert shown.project.settings.encoder == "own:4"
    (run,) = shown.project.runs()
    assert run.called == "own model"
    assert "<iframe" in shown._repr_html_()
    assert show(frame(), label="label", features=X).project == shown.project
    other = show(frame(), label="label", features=X + 1, proba=P).project
    assert other != shown.project
    assert len(list_projects(projects_home())) == 2


def test_features_alone_show_a_linear_model_and_train_a_head(at_home, monkeypatch):
    started = []
    monkeypatch.setattr(notebook, "start", lambda root, arguments, title: started.append(arguments))
    shown = show(frame(), label="label", features=X)
    (run,) = shown.project.runs()
    assert run.called == "linear model"
    assert started == [["train", str(shown.project.root), "--size", "lean"]]
    show(frame(), label="label", features=X)  # the training has never begun
    assert len(started) == 2
    assert len(shown.project.runs()) == 1
    show(frame(), label="label", features=X, proba=P)
    show(frame(), label="label", features=X)
    assert len(started) == 2


@pytest.mark.slow
def test_the_head_is_trained_once_and_then_stands_first(at_home):
    shown = show(frame(), label="label", features=X)
    show(frame(), label="label", features=X)
    (job,) = jobs(shown.project.root)
    end = time.monotonic() + 300
    while find(job.root, job.id).active and time.monotonic() < end:
        time.sleep(0.2)
    assert find(job.root, job.id).state == "done"
    assert [run.called for run in shown.project.runs()] == ["head", "linear model"]
    show(frame(), label="label", features=X)
    assert len(jobs(shown.project.root)) == 1


def test_arrow_and_datasets_are_the_same_frame(at_home):
    import datasets

    first = show(frame(), label="label", features=X, proba=P).project
    for data in (pa.Table.from_pandas(frame()), datasets.Dataset.from_pandas(frame())):
        assert show(data, label="label", features=X, proba=P).project == first
    with pytest.raises(DataError, match="cannot be shown"):
        show([1, 2], label="label")


def test_polars_is_the_same_frame(at_home):
    polars = pytest.importorskip("polars")
    first = show(frame(), label="label", features=X, proba=P).project
    assert show(polars.from_pandas(frame()), label="label", features=X, proba=P).project == first


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"features": X[:-1]}, "59 rows of features"),
        ({"features": X, "proba": P[:-1]}, "59 rows"),
        ({"features": X, "proba": 2 * P}, "with the sum 2"),
        ({"features": X, "proba": P[:, :1]}, "1 probabilit"),
        ({"features": np.where(X[3] == X, np.nan, X), "proba": P}, "holds nan"),
    ],
)
def test_what_does_not_fit_the_frame_is_one_sentence_and_leaves_no_project(at_home, given, says):
    with pytest.raises(DataError, match=says):
        show(frame(), label="label", **given)
    assert list_projects(projects_home()) == []


def test_an_earlier_project_outlives_probabilities_that_do_not_fit(at_home, monkeypatch):
    monkeypatch.setattr(notebook, "start", lambda *arguments, **switches: None)  # no run yet
    project = show(frame(), label="label", features=X).project
    with pytest.raises(DataError, match="with the sum 2"):
        show(frame(), label="label", features=X, proba=2 * P)
    assert list_projects(projects_home()) == [project]


def test_decisions_come_back_as_a_frame(at_home):
    shown = show(frame(), label="label", features=X, proba=P)
    assert shown.decisions().empty
    train = shown.project.dataset.train
    said = [
        Decision(int(train.keys[0]), int(train.content_hashes[0]), "keep", "0"),
        Decision(int(train.keys[2]), int(train.content_hashes[2]), "relabel", "0", "1"),
    ]
    store = open_reviews(shown.project)
    store.append(Action("ann", said, shown.project.fingerprint))
    store.close()
    found = shown.decisions()
    assert found["id"].tolist() == [train.ids[0], train.ids[2]]
    assert found["outcome"].tolist() == ["keep", "relabel"]
    assert found["new_label"].isna().tolist() == [True, False]
    assert found["new_label"].iloc[1] == "1"


@pytest.mark.slow
def test_the_dashboard_is_started_once_and_found_again():
    home = projects_home()
    url = notebook.dashboard(home)
    try:
        assert notebook.dashboard(home) == url
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert direct.open(f"{url}/_stcore/health", timeout=30).status == 200
    finally:
        started = notebook._started.pop()
        started.terminate()
        started.wait(600)
