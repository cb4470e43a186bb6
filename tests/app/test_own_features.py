"""A project of features alone is drawn on every page, to its end."""

import os
from pathlib import Path

import numpy as np
import pytest
from errors_page import APP
from own_project import NAME, trained
from streamlit.testing.v1 import AppTest

from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.session import open_session
from influence_core.workflow.train.own.linear_run import publish_linear
from influence_core.workflow.train.own.probabilities import publish_probabilities
from influence_core.workflow.train.runs.compare import compare_runs


@pytest.fixture
def project(tmp_path):
    return trained(Path(os.environ["TURNOVER_HOME"]), tmp_path)


def opened(page, **address):
    test = AppTest.from_file(str(APP), default_timeout=300)
    test.session_state["project"] = NAME
    for name, value in address.items():
        test.query_params[name] = value
    if page != "errors":
        test.run().switch_page(f"pages/{page}.py")
    return test.run()


@pytest.mark.parametrize("page", ["projects", "errors", "labels", "cleanse", "trust", "runs"])
def test_every_page_is_drawn(project, page):
    test = opened(page)
    assert not test.exception
    assert [box.value for box in test.error] == []
    if page == "projects":
        assert any("rows of a table" in caption.value for caption in test.caption)
    if page == "errors":
        assert any("features of this project are your own" in c.value for c in test.caption)


def test_an_open_item_shows_its_columns(project):
    wrong = misclassified(open_session(project, device="cpu"), "test")
    key = int(wrong["key"].iloc[0]) if len(wrong) else int(project.dataset.split("test").keys[0])
    test = opened("errors", item=f"{key:016x}", split="test")
    assert not test.exception
    split = project.dataset.split("test")
    row = split.texts(np.array([split.position(key)]))[0]
    assert "area: " in row and "dye: " in row
    assert any(row == text.value for text in test.text)


@pytest.fixture
def published(project, tmp_path):
    """A run of a user's model beside that of ours."""
    rng = np.random.default_rng(1)
    places = {}
    for name in ("train", "test"):
        split = project.dataset.split(name)
        proba = rng.dirichlet(np.ones(3), len(split)) + rng.permutation(np.eye(3)[split.labels])
        np.save(tmp_path / f"{name}.npy", proba / 2)
        places[name] = str(tmp_path / f"{name}.npy")
    return publish_probabilities(project, places, known_out_of_sample=True)


@pytest.mark.parametrize("page", ["errors", "labels", "cleanse", "trust", "runs"])
def test_every_page_is_drawn_for_a_model_of_ones_own(published, page):
    test = opened(page)
    assert not test.exception
    assert [box.value for box in test.error] == []
    run = next(box for box in test.selectbox if box.label == "Run")
    assert "own model on probabilities of train" in run.help.replace("\\", "")


@pytest.mark.parametrize("page", ["errors", "labels", "cleanse", "trust", "runs"])
def test_every_page_is_drawn_for_the_linear_model_that_stands_there_first(project, page):
    publish_linear(project)
    test = opened(page)
    assert not test.exception
    assert [box.value for box in test.error] == []
    run = next(box for box in test.selectbox if box.label == "Run")
    assert "linear model on own:" in run.help.replace("\\", "")
    if page == "errors":
        assert any("features of this project are your own" in c.value for c in test.caption)


def test_a_mistake_of_ones_own_model_is_explained(project, published):
    wrong = misclassified(open_session(project, published.id, "cpu"), "test")
    test = opened("errors", item=f"{int(wrong['key'].iloc[0]):016x}", split="test")
    assert not test.exception
    assert [box.value for box in test.error] == []
    assert any("Called" in box.value for box in test.markdown)


def test_it_is_compared_with_a_run_of_ours_item_by_item(project, published):
    ours = next(run for run in project.runs() if run.kind == "head")
    found = compare_runs(project, ours.id, published.id, "test")
    assert found.items == len(project.dataset.split("test"))
    assert {*found.changed["change"]} <= {"fixed", "broken"} and len(found.changed)
