"""All scores of the open item, from the page to the file."""

import json
import time

import numpy as np
from errors_page import start
from tiny import project

from influence_core.store.project import Project, projects_home
from influence_core.workflow.explain.explain import misclassified
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


def test_the_file_is_written_by_a_job_and_the_page_says_where():
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=1, device="cpu"))
    session = open_session(Project.open(made.root), device="cpu")
    key = int(misclassified(session, "test")["key"][0])
    test = start(project="tiny")
    test.button(key=f"open_{key:016x}").click().run()
    test.button(key="scores_go").click().run()
    assert not test.exception
    until = time.monotonic() + 120
    folder = made.root / "exports"
    while not list(folder.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.2)
    (card,) = folder.glob("*.json")
    assert json.loads(card.read_text("utf-8"))["item"]["key"] == f"{key:016x}"
    scores = np.load(card.with_suffix(".npy"), allow_pickle=False)
    assert scores.shape == (1, len(session.evidence))
    while time.monotonic() < until:
        told = [c.value for c in test.run().caption]
        if any("Written to" in c for c in told):
            return
        time.sleep(0.2)
    raise AssertionError(told)
