import json
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.errors import CancelledError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.explain.map import (
    make_map,
    map_path,
    read_map,
    stratified,
    umap_places,
)
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny")
    train(made, TrainOptions(members=2, width=8, epochs=1))
    return Project.open(made.root)


@given(st.lists(st.integers(-1, 6), min_size=1, max_size=80), st.integers(1, 90))
def test_every_class_keeps_its_share_and_at_least_one_row(labels, most):
    labels = np.array(labels)
    rows = stratified(labels, most)
    assert len(rows) == min(most, len(labels))
    assert (np.diff(rows) > 0).all()
    assert np.array_equal(rows, stratified(labels, most))
    names, sizes = np.unique(labels, return_counts=True)
    kept = np.array([(labels[rows] == name).sum() for name in names])
    if most >= 2 * len(names):
        assert (kept >= 1).all()
        # One row more or less a class for rounding, and what the small classes got for certain.
        assert (np.abs(kept - sizes * len(rows) / len(labels)) <= 1 + len(names) / 2).all()


@pytest.mark.slow
def test_groups_that_are_apart_stay_apart():
    rng = np.random.default_rng(0)
    centres = np.repeat(10 * np.eye(3, 8), 30, axis=0)
    places = umap_places((centres + rng.normal(size=(90, 8))).astype(np.float32))
    group = np.repeat(np.arange(3), 30)
    distance = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(1)] == group).mean() > 0.95


def test_the_verb_makes_it_once_and_what_is_there_is_read(trained):
    answer = CliRunner().invoke(app, ["map", str(trained.root), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["points"] == 60
    table = read_map(trained)
    assert table["position"].tolist() == list(range(60))
    written = map_path(trained).stat().st_mtime_ns
    assert make_map(trained, most=10).equals(table)
    assert map_path(trained).stat().st_mtime_ns == written


def test_a_stopped_map_leaves_nothing(tmp_path):
    made = project(tmp_path / "tiny")
    train(made, TrainOptions(members=2, width=8, epochs=1))
    opened = Project.open(made.root)
    cancel = threading.Event()
    with pytest.raises(CancelledError):
        make_map(opened, cancel=cancel, progress=lambda event: cancel.set())
    assert read_map(opened) is None
    assert list(map_path(opened).parent.glob("*map*")) == []


def test_no_features_and_a_damaged_map_are_one_sentence(tmp_path):
    opened = project(tmp_path / "tiny")
    with pytest.raises(StoreError, match="no features"):
        make_map(opened)
    path = map_path(opened)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(StoreError, match="turnover map tiny"):
        read_map(opened)
