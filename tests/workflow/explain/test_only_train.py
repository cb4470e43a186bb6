"""Training rows as items: judged by the side that never saw them, never by what learned them."""

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from influence_core.errors import DataError
from influence_core.workflow.cleanse.cleansings import save_cleansing
from influence_core.workflow.cleanse.find_harm import DECISIONS, CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.cleanse.trials import run_sweep, run_trial
from influence_core.workflow.evaluate.evaluate import EvaluateOptions, evaluate
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import find_item, misclassified, predictions
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

NEEDS = "needs a target split.*--valid-share and --test-share, or the sliders"


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = tiny.only_train(tmp_path_factory.mktemp("home") / "only")
    train(made, TrainOptions(members=4, width=64, epochs=6, device="cpu"))
    return open_session(type(made).open(made.root), device="cpu")


def test_the_errors_are_those_of_the_flipped_side(session):
    rows = session.run.table("rows")
    found = predictions(session, "train")
    assert found["confidence"].tolist() == rows["flipped_confidence"].tolist()
    assert found["p_label"].tolist() == rows["flipped_label"].tolist()
    assert found["predicted_number"].tolist() == rows["flipped_predicted"].tolist()
    wrong = misclassified(session, "train")
    planted = {int(k) for k in session.project.dataset.train.keys[:4]}
    assert len(planted & set(wrong["key"])) >= 3
    assert wrong["p_label"].is_monotonic_increasing


def test_an_item_and_the_list_agree(session):
    for line in predictions(session, "train").itertuples():
        item = find_item(session, "train", int(line.key))
        assert session.classes[item.predicted] == line.predicted
        assert item.proba.max() == np.float32(line.confidence)
        assert item.proba.sum() == pytest.approx(1, abs=2e-3)


def test_close_probabilities_keep_their_order_in_spite_of_16_bits(session, monkeypatch):
    rows = session.run.table("rows")
    most = np.float32(0.40003)
    rows[["flipped_predicted", "flipped_confidence"]] = 1, most
    monkeypatch.setattr(type(session.run), "table", lambda run, name: pd.DataFrame(rows))
    before = session.evidence.flipped[3].clone()
    try:  # both were rounded up to the same
        session.evidence.flipped[3] = torch.tensor([0.40015, 0.40015])
        item = find_item(session, "train", int(session.project.dataset.train.keys[3]))
    finally:
        session.evidence.flipped[3] = before
    assert item.predicted == 1
    assert item.proba[1] == most


@pytest.mark.parametrize("among", ["all", "predicted", "true"])
@pytest.mark.parametrize("estimator", ["flipped-ridge", "turnover", "replay"])
def test_a_training_row_is_explained_by_others(session, estimator, among):
    key = int(misclassified(session, "train")["key"].iloc[0])
    item = find_item(session, "train", key)
    answer = explain(session, item, ExplainOptions(estimator, among=among, k=60))
    assert key not in {*answer.helpful["key"], *answer.harmful["key"]}
    assert len(answer.helpful) + len(answer.harmful) > 0


def test_what_needs_a_target_split_says_how_to_get_one(session):
    target = TargetSplit("train")
    empty = find_harm(session, CleanseOptions(target, by=DECISIONS))  # decisions need none
    name = save_cleansing(session, empty)
    for work in (
        lambda: run_trial(session, name),
        lambda: run_sweep(session, name),
        lambda: find_harm(session, CleanseOptions(target, by="count", drop=3)),
        lambda: find_harm(session, CleanseOptions(TargetSplit("valid"))),
        lambda: evaluate(session),
        lambda: evaluate(session, EvaluateOptions(split="train")),
    ):
        with pytest.raises(DataError, match=NEEDS):
            work()
