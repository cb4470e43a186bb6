"""`encode` and `explain --scores` as real jobs."""

import json
import time

import numpy as np
import tiny

from influence_core.disk.names import projects_home
from influence_core.jobs import find, log_tail, start
from influence_core.store.project import Project
from influence_core.workflow.train.head import TrainOptions, has_features, train

PATIENCE_SECONDS = 180


def ended(job):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (now := find(job.root, job.id)).active:
        assert time.monotonic() < deadline, log_tail(now)
        time.sleep(0.05)
    return now


def last_event(job):
    event = json.loads((job.folder / "progress.json").read_text("utf-8"))
    return event["stage"], event["done"], event["total"]


def test_a_project_is_encoded_and_all_scores_are_written_by_jobs(tmp_path):
    made = tiny.project(projects_home() / "tiny", n=60)
    tiny.encoder(made.root / "encoder")
    root = made.with_settings(encoder="hf:encoder").root

    encoded = ended(start(root, ["encode", str(root)], title="Encode"))
    assert encoded.state == "done", log_tail(encoded)
    assert last_event(encoded) == ("encode", 20, 20)
    assert "60 train, 20 valid, 20 test" in log_tail(encoded)
    assert has_features(Project.open(root), "train")

    train(Project.open(root), TrainOptions(members=2, width=16, epochs=1))
    path = tmp_path / "scores.npy"
    words = ["explain", str(root), "--item", "test-1", "--scores", str(path)]
    done = ended(start(root, words, title="All scores of test-1"))
    assert done.state == "done", log_tail(done)
    assert done.result == {"scores": str(path)}
    assert np.load(done.result["scores"]).shape == (1, 60)
    assert last_event(done) == ("scan", 60, 60)

    words[-1] = str(tmp_path / "scores.csv")
    failed = ended(start(root, words, title="Refused"))
    assert failed.state == "failed"
    assert failed.message.endswith("a name ending in .npy.")
