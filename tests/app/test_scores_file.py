"""All scores of the open item, from the page to the file."""

import json

import numpy as np
import pandas as pd
from errors_page import start
from tiny import project

from influence_core.store.project import Project, projects_home
from influence_core.workflow.explain.explain import ExplainOptions, explain
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.explain.map import map_path
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train


def opened():
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=1, device="cpu"))
    return open_session(Project.open(made.root), device="cpu")


def test_the_file_is_written_at_once_and_the_page_says_where():
    session = opened()
    key = int(misclassified(session, "test")["key"][0])
    test = start(project="tiny")
    test.button(key=f"open_{key:016x}").click().run()
    test.segmented_control(key="among").set_value("predicted").run()
    test.button(key="scores_go").click().run()
    assert not test.exception
    (card,) = (session.project.root / "exports").glob("*.json")
    assert json.loads(card.read_text("utf-8"))["item"]["key"] == f"{key:016x}"
    scores = np.load(card.with_suffix(".npy"), allow_pickle=False)
    item_answer = explain(session, find(session, key), ExplainOptions(), keep=True)
    np.testing.assert_allclose(scores[0], item_answer.scores, rtol=1e-5, atol=1e-7)
    assert any("Written to" in c.value for c in test.caption)
    downloads = {box.key for box in test.get("download_button")}
    assert {"scores_scores", "scores_description"} <= downloads


def find(session, key):
    from influence_core.workflow.explain.items import find_item

    return find_item(session, "test", key)


def test_an_open_item_is_scanned_once_for_lists_map_noise_and_file(monkeypatch):
    """By the estimator that all of them ask, rows scored are counted; the null has its own keys."""
    from influence_core.influence.estimators import turnover

    session = opened()
    places = np.arange(90)
    pd.DataFrame({"position": places, "x": places / 9, "y": places % 9.0}).to_parquet(
        map_path(session.project, session.run.record.encoder_fingerprint)
    )
    scored = []
    real = turnover._CompiledQuery.scores

    def counted(self, rows):
        if len(self.keys) == len(session.evidence):  # not the fresh keys of the null
            scored.append(rows.stop - rows.start)
        return real(self, rows)

    monkeypatch.setattr(turnover._CompiledQuery, "scores", counted)
    key = int(misclassified(session, "test")["key"][0])
    test = start(project="tiny", item=f"{key:016x}", estimator="turnover", map_open=True)
    assert not test.exception
    assert not test.error
    test.segmented_control(key="errors_map_mode").set_value("Influence").run()
    test.button(key="scores_go").click().run()
    assert not test.exception
    told = [part.value for part in [*test.success, *test.info]]  # among them the noise check
    assert any("stand" in text or "clear row" in text for text in told)
    assert list((session.project.root / "exports").glob("*.npy"))
    assert sum(scored) == 90
