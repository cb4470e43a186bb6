"""A project with training rows only: no page is dead, and none offers what cannot be."""

import pytest
import tiny
from errors_page import start

from influence_core.store.project import projects_home
from influence_core.workflow.cleanse.cleansings import save_cleansing
from influence_core.workflow.cleanse.find_harm import DECISIONS, CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

ADVICE = "sliders under New project"


@pytest.fixture
def session():
    made = tiny.only_train(projects_home() / "only")
    train(made, TrainOptions(members=2, width=32, epochs=4, device="cpu"))
    return open_session(type(made).open(made.root), device="cpu")


def shown(page):
    assert not page.exception
    assert not page.error
    return " ".join(e.value for e in [*page.info, *page.caption])


def test_every_page_stands_without_another_split(session):
    wrong = misclassified(session, "train")
    page = start(project="only")
    told = shown(page)
    assert f"{len(wrong)} of 60 items wrong" in told
    assert "its flipped side, which never saw it" in told
    page.button(key=f"open_{wrong['key'][0]:016x}").click().run()
    told = shown(page)
    assert "rows scored on" in told
    assert "not ranked among its own causes" in told
    page.switch_page("pages/cleanse.py").run()
    assert ADVICE in shown(page)
    target = TargetSplit("train")
    save_cleansing(session, find_harm(session, CleanseOptions(target, by=DECISIONS)))
    assert "No row would change" in shown(page.run())
    page.switch_page("pages/trust.py").run()
    assert ADVICE in shown(page)
