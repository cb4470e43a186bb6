import numpy as np
import pytest
from tiny import dataset, project

from influence_core.cleansing.choose import Selection
from influence_core.cleansing.rounds import Schedule
from influence_core.data.build import build_dataset
from influence_core.errors import DataError, StoreError
from influence_core.store.project import Project
from influence_core.workflow.cleanse.cleansings import Cleansing, load_cleansing, save_cleansing
from influence_core.workflow.cleanse.export import edits_of
from influence_core.workflow.cleanse.rounds import cleanse, ranking
from influence_core.workflow.cleanse.target_split import TargetSplit, target_items
from influence_core.workflow.cleanse.trial import CLEANSED, NONE, RANDOM, trial
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

WRONG = 12  # training rows with the wrong label


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """A project whose first training rows are labelled wrong."""
    parts = {
        name: {"text": s.texts(), "label": s.labels.tolist(), "id": s.ids}
        for name, s in dataset(120).splits.items()
    }
    parts["train"]["label"][:WRONG] = [1 - y for y in parts["train"]["label"][:WRONG]]
    made = Project.create(
        tmp_path_factory.mktemp("home") / "noisy", "Noisy", build_dataset(parts, ["bad", "good"]),
        "minilm",
    )  # fmt: skip
    train(made, TrainOptions(members=4, width=64, epochs=10))
    return open_session(Project.open(made.root))


def test_wrong_labels_are_what_harms_the_target_split(session):
    found = ranking(session, TargetSplit("valid"))
    # Chance would put 1.2 of them there.
    assert len(set(np.argsort(found.score)[:WRONG].tolist()) & set(range(WRONG))) >= WRONG // 2


def test_rounds_remove_them_step_by_step(session):
    states = cleanse(session, TargetSplit("valid"), Schedule(step=0.05, most=0.1, patience=0))
    assert [len(s.removed) for s in states] == [0, 6, 12]
    assert len(set(states[-1].removed.tolist()) & set(range(WRONG))) >= WRONG // 2
    assert states[-1].measured.choosing_loss < states[0].measured.choosing_loss


def test_a_trial_compares_three_arms_on_every_split_seed_by_seed(session):
    done = trial(session, Selection(np.arange(WRONG)), ["valid", "test"], seeds=3)
    assert len(done.table) == 3 * 2 * 3
    assert set(done.table["arm"]) == {NONE, CLEANSED, RANDOM}
    loss = done.table[done.table["split"] == "test"].groupby("arm")["loss"].mean()
    assert loss[CLEANSED] < loss[NONE]
    assert set(done.verdicts) == {"valid", "test"}


def test_relabelling_is_tried_too_and_a_null_trial_is_refused(session):
    right = {i: int(1 - session.evidence.labels[i]) for i in range(WRONG)}
    done = trial(session, Selection(np.empty(0, np.int64), right), ["test"], seeds=2)
    loss = done.table.groupby("arm")["loss"].mean()
    assert loss[CLEANSED] < loss[NONE]
    with pytest.raises(DataError, match="nothing to try"):
        trial(session, Selection(np.empty(0, np.int64)), ["test"])


def test_target_splits_that_cannot_be_are_refused(session):
    for target, sentence in (
        (TargetSplit("train"), "cannot be the target split"),
        (TargetSplit("valid", "ugly"), "no part 'ugly'"),
        (TargetSplit("nowhere"), "nowhere"),
    ):
        with pytest.raises(DataError, match=sentence):
            target_items(session, target)


def test_a_class_as_target_holds_only_that_class(session):
    assert (target_items(session, TargetSplit("valid", "good")).labels == 1).all()


def test_a_kept_cleansing_comes_back_whole(session):
    found = ranking(session, TargetSplit("valid"))
    edits = edits_of(session, Selection(np.argsort(found.score)[:3], {40: 1}), "because", found)
    kept = Cleansing(
        TargetSplit("valid"), "flipped-ridge", "fraction", tuple(edits), run=session.run.id
    )
    name = save_cleansing(session, kept)
    assert load_cleansing(session.project, name) == kept
    assert load_cleansing(session.project) == kept
    with pytest.raises(StoreError, match="no cleansing 'nothing'"):
        load_cleansing(session.project, "nothing")


def test_without_a_cleansing_the_next_step_is_named(tmp_path):
    with pytest.raises(StoreError, match="turnover cleanse"):
        load_cleansing(project(tmp_path / "p"))
