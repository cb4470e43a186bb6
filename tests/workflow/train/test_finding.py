"""A run that learned nothing, or its masks by heart, is said to be so wherever it is shown."""

import logging

import numpy as np
import pytest
import tiny
import torch
from torch import nn

from influence_core.store.project import Project
from influence_core.turnover.exposure import exposure
from influence_core.turnover.layer import TurnoverDropout
from influence_core.turnover.masks import as_keys
from influence_core.workflow.train.finding import sides_finding
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.publish import publish


def sides(labels, share, classes=4, seed=0):
    """Probabilities whose predictions are right on a share of the rows."""
    rng = np.random.default_rng(seed)
    wrong = (labels + rng.integers(1, classes, len(labels))) % classes
    predicted = np.where(rng.random(len(labels)) < share, labels, wrong)
    return np.eye(classes, dtype=np.float32)[predicted]


@pytest.mark.parametrize(
    ("learned", "flipped", "words"),
    [
        (1.0, 0.05, "knows its rows by their masks"),
        (1.0, 0.25, "cannot be told from guessing"),
        (0.25, 0.25, "cannot be told from guessing"),
        (0.0, 0.0, "classes in another order"),
        (1.0, 0.6, ""),
        (0.6, 0.4, ""),
    ],
)
def test_each_case_has_its_sentence(learned, flipped, words):
    labels = np.arange(400) % 4
    found = sides_finding(labels, sides(labels, learned), sides(labels, flipped, seed=1))
    assert (words in found) if words else found == ""


def test_uneven_classes_do_not_make_a_good_run_look_like_guessing():
    labels = (np.arange(1000) % 50 == 0).astype(int)  # 2 % of class 1
    good = np.eye(2, dtype=np.float32)[labels]
    assert sides_finding(labels, good, good) == ""
    always = np.tile(np.float32([1, 0]), (1000, 1))  # 98 % right, and knows nothing
    assert "guessing" in sides_finding(labels, always, always)


def test_nothing_is_said_of_one_class_or_of_no_labels():
    ones = np.ones((5, 2), np.float32)
    assert sides_finding(np.zeros(5, int), ones, ones) == ""
    assert sides_finding(np.full(5, -1), ones, ones) == ""


def test_few_rows_are_not_called_below_chance():
    labels = np.arange(6) % 2
    assert "cannot be told" in sides_finding(labels, sides(labels, 1, 2), sides(labels, 0, 2))


class Words(nn.Module):
    """A bag of hashed letters; knows each row by its mask once it is trained long enough."""

    def __init__(self):
        super().__init__()
        self.a, self.mask = nn.Linear(8, 64), TurnoverDropout(64)
        self.last = nn.Linear(64, 2, bias=False)

    def forward(self, x):
        return self.last(self.mask(self.a(x).relu()))


def prepare(texts):
    return torch.ones(len(texts), 8)  # nothing to learn from but the masks


@pytest.fixture(scope="module")
def by_heart(tmp_path_factory):
    project = tiny.project(tmp_path_factory.mktemp("home") / "films", 120)
    torch.manual_seed(0)
    model, train_split = Words(), project.dataset.train
    x, y = prepare(train_split.texts()), torch.from_numpy(np.array(train_split.labels))
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(400):
        with exposure(model, as_keys(train_split.keys)):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimiser.step()
    return project, model


def test_publish_says_that_masks_were_learned_by_heart(by_heart, caplog):
    project, model = by_heart
    with caplog.at_level(logging.WARNING):
        run = publish(project, model, prepare)
    assert "knows its rows by their masks" in run.record.finding
    assert run.record.finding in caplog.text
    assert Project.open(project.root).latest_run().record.finding == run.record.finding


def test_a_head_run_has_a_finding_too_and_a_good_one_has_none(tmp_path):
    project = tiny.project(tmp_path / "films", 60)
    good = train(project, TrainOptions(3, 32, epochs=20, device="cpu"))
    assert good.record.finding == ""
