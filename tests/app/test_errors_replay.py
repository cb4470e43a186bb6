"""A replayed answer on the Errors page: the ridge's list first, the exact one in the same place."""

import threading

from errors_page import start
from tiny import project

from influence_core.disk.names import projects_home
from influence_core.influence.base import LongQuery
from influence_core.influence.scan import scan
from influence_core.workflow.explain import explain as explaining
from influence_core.workflow.explain.explain import Explanation
from influence_core.workflow.train.head import TrainOptions, train
from pages.ui.errors import explained


def test_the_exact_list_takes_the_place_of_the_ridges_and_tells_the_change(monkeypatch):
    drawn, seen = [], threading.Event()
    real = explained._lists

    def lists(session, answer: Explanation, *more):
        real(session, answer, *more)
        drawn.append((answer.options.estimator, answer.instead_of))
        seen.set()

    def held(query, rows, **options):
        if isinstance(query, LongQuery):
            assert seen.wait(600)
        return scan(query, rows, **options)

    monkeypatch.setattr(explained, "_lists", lists)
    monkeypatch.setattr(explaining, "scan", held)
    made = project(projects_home() / "replayed", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=4))
    item = f"{int(made.dataset.split('test').keys[0]):016x}"
    test = start(project="replayed", item=item, estimator="replay")
    assert not test.exception
    assert drawn == [("flipped-ridge", "replay"), ("replay", "")]
    told = [c.value.replace("\\", "") for c in test.caption]
    assert any("The exact list is in. 90 rows scored on" in c for c in told)
    change = [c for c in told if c.startswith("Without these 12 rows: 0.")]
    assert len(change) == 2 and all("how far off is not known yet" in c for c in change)
    assert not any("stands here until" in c for c in told)
    assert any("How far off that may be is not known yet" in m.value for m in test.markdown)
