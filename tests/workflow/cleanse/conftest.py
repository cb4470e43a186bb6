"""A run on noisy rows that most tests of cleansings share."""

import pytest
from tiny import dataset

from influence_core.data.build import build_dataset
from influence_core.store.project import Project
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    parts = {
        name: {"text": s.texts(), "label": s.labels.tolist(), "id": s.ids}
        for name, s in dataset(120).splits.items()
    }
    for name, part in parts.items():
        part["source"] = ["web" if i % 3 else "book" for i in range(len(part["text"]))]
        if name == "train":
            part["label"][:12] = [1 - y for y in part["label"][:12]]
    built = build_dataset(parts, ["bad", "good"])
    made = Project.create(tmp_path_factory.mktemp("home") / "noisy", "Noisy", built, "minilm")
    train(made, TrainOptions(members=2, width=32, epochs=6))
    return open_session(Project.open(made.root))


@pytest.fixture
def project(session):
    (session.project.root / "reviews.db").unlink(missing_ok=True)
    return session.project
