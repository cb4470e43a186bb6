import json
import threading

import numpy as np
import pytest
from tiny import dataset, project

from influence_core.data.build import build_dataset
from influence_core.errors import CancelledError, DataError, MismatchError, StoreError
from influence_core.store.project import Project
from influence_core.training.heads.types import HeadTraining
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

QUICK = TrainOptions(members=2, width=32, epochs=20, seed=4)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    made = project(tmp_path_factory.mktemp("home") / "tiny")
    run = train(made, QUICK)
    return Project.open(made.root), run


def test_a_run_keeps_everything_that_later_pages_read(trained):
    made, run = trained
    rows = run.table("rows")
    assert rows["key"].to_numpy().tolist() == made.dataset.train.keys.tolist()
    assert rows["flipped_label"].between(0, 1).all()
    assert rows["aum"].notna().all()
    assert {"valid_accuracy", "test_accuracy", "epochs"} <= set(run.record.metrics)
    assert run.record.metrics["test_accuracy"] > 0.8
    assert [p["stage"] for p in run.progress()].count("train") == 20


def test_scores_are_the_same_from_memory_and_from_disk(trained):
    made, run = trained
    session = open_session(made)
    again = train(made, QUICK)
    for name, tensor in run.tensors().items():
        assert np.array_equal(tensor, again.tensors()[name]), name
    flipped = session.evidence.flipped.numpy()
    labels = made.dataset.train.labels
    np.testing.assert_allclose(
        flipped[np.arange(len(labels)), labels], run.table("rows")["flipped_label"], atol=1e-3
    )


def test_relabelling_one_row_leaves_its_flipped_side_alone(tmp_path):
    """Isolation, end to end: what a row teaches cannot reach its own flipped side.

    One epoch in one batch: every other row takes the same step, so the flipped side of the
    relabelled row must come out the same to the last bit.
    """
    plain, other = dataset(30), None
    splits = {
        name: {"text": s.texts(), "label": s.labels.tolist(), "id": s.ids}
        for name, s in plain.splits.items()
    }
    splits["train"]["label"][7] = 1 - splits["train"]["label"][7]
    other = build_dataset(splits, ["bad", "good"])
    options = TrainOptions(members=2, width=32, epochs=1)
    runs = []
    for name, data in (("a", plain), ("b", other)):
        made = Project.create(tmp_path / name, name, data, "minilm")
        runs.append(train(made, options).tensors()["flipped"])
    assert np.array_equal(runs[0][7], runs[1][7])
    assert not np.array_equal(runs[0], runs[1])


def test_cancel_keeps_features_and_leaves_no_half_run(tmp_path):
    made = project(tmp_path / "p")
    cancel = threading.Event()

    def stop(event):
        if event.stage == "train":
            cancel.set()

    with pytest.raises(CancelledError):
        train(made, QUICK, progress=stop, cancel=cancel)
    made = Project.open(made.root)
    assert made.runs() == []
    assert made.features("train").shape == (60, 384)


def test_one_class_only_is_refused(tmp_path):
    data = build_dataset(
        {"train": {"text": ["a b", "c d"], "label": [0, 0], "id": ["1", "2"]}}, ["x", "y"]
    )
    made = Project.create(tmp_path / "p", "p", data, "minilm")
    with pytest.raises(DataError, match="only one class"):
        train(made, QUICK)


def test_a_run_of_other_data_is_refused(trained, tmp_path):
    _, run = trained
    other = project(tmp_path / "other", seed=9)
    target = other.root / "runs" / run.id
    target.mkdir(parents=True)
    for file in run.folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    with pytest.raises(MismatchError, match="trained on other data"):
        open_session(other, run.id)


def test_weights_of_another_shape_are_refused(trained, tmp_path):
    made, run = trained
    target = made.root / "runs" / "changed"
    target.mkdir()
    for file in run.folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    record = json.loads((target / "run.json").read_text())
    record["id"] = "changed"
    record["config"]["head"]["width"] = 64
    (target / "run.json").write_text(json.dumps(record))
    with pytest.raises(MismatchError, match="tensor 'W1' is"):
        open_session(made, "changed")


def test_without_a_run_the_next_step_is_named(tmp_path):
    with pytest.raises(StoreError, match="turnover train"):
        open_session(project(tmp_path / "p"))


def test_a_size_gives_shape_and_steps_and_what_one_chooses_wins():
    assert TrainOptions.of_size("standard") == TrainOptions()
    lean = TrainOptions.of_size("lean", width=48)
    assert (lean.members, lean.width, lean.size) == (8, 48, "lean")
    with pytest.raises(DataError, match="no size 'tiny'"):
        TrainOptions.of_size("tiny")


def test_a_lean_run_keeps_how_it_was_trained(tmp_path):
    run = train(project(tmp_path / "tiny"), TrainOptions.of_size("lean", members=2, epochs=2))
    training = run.record.config["training"]
    usual = HeadTraining()
    assert training["learning_rate"] > usual.learning_rate
    assert training["batch"] == 2 * usual.batch_for(len(run.table("rows")))
