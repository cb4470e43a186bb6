import numpy as np
import pytest
import torch
from tiny import project

from influence_core.store.project import Project
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.map import nearest_on_map
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny")
    train(made, TrainOptions(members=2, width=8, epochs=2))
    return open_session(Project.open(made.root))


def test_a_training_row_lies_beside_itself(session):
    train_split = session.project.dataset.train
    positions = np.arange(5, 60)
    for position in (5, 30, 59):
        item = find_item(session, "train", int(train_split.keys[position]))
        assert positions[nearest_on_map(session, item, positions)[0]] == position


def test_nearest_is_the_obvious_sort_by_cosine(session):
    split = session.project.dataset.split("test")
    item = find_item(session, "test", int(split.keys[0]))
    features = session.features.rows(torch.arange(60)).numpy()
    wanted = item.features.numpy()
    cosine = features @ wanted / np.linalg.norm(features, axis=1) / np.linalg.norm(wanted)
    found = nearest_on_map(session, item, np.arange(60), k=4)
    assert found.tolist() == np.argsort(-cosine)[:4].tolist()


@pytest.mark.parametrize("toward", ["true", "predicted"])
def test_influence_is_what_the_lists_say(session, toward):
    split = session.project.dataset.split("test")
    item = find_item(session, "test", int(split.keys[0]))
    options = ExplainOptions(toward=toward, k=60)
    answer = explain(session, item, options, keep=True)
    scores = answer.scores
    for table in (answer.helpful, answer.harmful):
        positions = session.project.dataset.train.positions_of(table["key"].to_numpy())
        assert np.allclose(scores[positions], table["influence"], rtol=1e-5, atol=1e-7)
