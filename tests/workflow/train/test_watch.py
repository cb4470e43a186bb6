"""The learning curve of held-out items."""

import pytest
from tiny import dataset, sentences

from influence_core.data.build import build_dataset
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, train

QUICK = TrainOptions(members=2, width=32, epochs=4)


def losses(run, name):
    events = [e["metrics"] for e in run.progress() if e["stage"] == "train"]
    return [e.get(name) for e in events]


def test_the_last_held_out_loss_is_that_of_the_stored_run(tmp_path):
    run = train(Project.create(tmp_path / "p", "P", dataset(60), "minilm"), QUICK)
    curve = losses(run, "test_loss")
    assert len(curve) == 4
    # The run keeps its weights as float16.
    assert curve[-1] == pytest.approx(run.record.metrics["test_loss"], rel=1e-3)
    assert losses(run, "valid_loss") == [None] * 4


@pytest.mark.parametrize(("kept", "name"), [(["train", "valid"], "valid_loss"), (["train"], None)])
def test_without_a_test_split_the_valid_one_is_watched_or_none(tmp_path, kept, name):
    parts = {}
    for seed, split in enumerate(kept):
        texts, labels = sentences(40, seed)
        ids = [f"{split}-{i}" for i in range(40)]
        parts[split] = {"text": texts, "label": labels, "id": ids}
    part = build_dataset(parts, ["bad", "good"])
    run = train(Project.create(tmp_path / "p", "P", part, "minilm"), QUICK)
    for other in ("test_loss", "valid_loss"):
        assert (losses(run, other) != [None] * 4) == (other == name)
