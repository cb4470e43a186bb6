"""The Cleanse page without a browser, on a small project of its own."""

import csv
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny import project

from influence_core.jobs import jobs
from influence_core.store.project import Project, projects_home
from influence_core.store.slices import SavedSlice, save_slice
from influence_core.workflow import expected as estimates
from influence_core.workflow.cleanse.cleansings import save_cleansing
from influence_core.workflow.cleanse.find_harm import CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.costs.estimate import Rates
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

APP = Path(__file__).resolve().parents[2] / "app.py"


@pytest.fixture
def page():
    train(project(projects_home() / "tiny", n=90), TrainOptions(members=2, width=32, epochs=5))
    return opened()


def opened():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    test.run()
    return test.switch_page("pages/cleanse.py").run()


def finished(page, verb):
    """Wait for the job, then draw the page as it is afterwards."""
    home = projects_home() / "tiny"
    for _ in range(600):
        newest = next((job for job in jobs(home) if job.arguments[0] == verb), None)
        if newest is not None and not newest.active:
            break
        time.sleep(0.1)
    page.run()
    assert not page.exception
    return newest


def test_from_the_question_to_the_download(page):
    assert any("Nothing is changed by it" in i.value for i in page.info)
    page.selectbox(key="cleanse_part").set_value("all")
    page.number_input(key="cleanse_share").set_value(10.0)
    page.selectbox(key="cleanse_by").set_value("fraction")
    page.selectbox(key="cleanse_also").set_value("count")
    page.number_input(key="cleanse_also_share").set_value(2.0)
    page.button(key="cleanse_go").click()
    page.run()
    job = finished(page, "cleanse")
    assert job.state == "done"
    assert job.arguments[job.arguments.index("--also") + 1] == "count=2"
    # The form says what made the list below it, on another visit, too.
    for visit in (page, opened()):
        assert visit.selectbox(key="cleanse_by").value == "fraction"
        assert visit.number_input(key="cleanse_share").value == 10.0
        assert visit.selectbox(key="cleanse_also").value == "count"
        assert visit.number_input(key="cleanse_also_share").value == pytest.approx(2, abs=0.6)
    assert any("fraction or count" in c.value for c in page.caption)
    assert not page.error
    assert any("beyond 2 % go in rounds" in w.value.replace("\\", "") for w in page.warning)
    tiny = Project.open(projects_home() / "tiny")
    keys = tuple(map(int, tiny.dataset.split("test").keys[:9]))
    save_slice(tiny.root, SavedSlice("nine *items*", "test", "by hand", keys))
    page.number_input(key="try_seeds").set_value(3)
    page.button(key="try_go").click().run()
    assert finished(page, "trial").state == "done"
    [slices] = [frame.value for frame in page.dataframe if "slice" in frame.value]
    assert slices[["slice", "items"]].to_numpy().tolist() == [["nine *items*", 9]]
    told = [e.value.replace("\\", "") for e in [*page.info, *page.success, *page.warning]]
    assert any("points of accuracy on 'test'" in t for t in told)
    page.button(key="export_go").click().run()
    assert not page.error
    made = list((projects_home() / "tiny" / "exports").glob("*.csv"))
    assert len(made) == 1
    with made[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    train_ids = Project.open(projects_home() / "tiny").dataset.train.ids
    kept = [row["id"] for row in rows]
    assert 0 < len(train_ids) - len(kept) <= 9
    assert [i for i in train_ids if i in set(kept)] == kept


def test_a_trial_says_what_it_will_take_with_the_seeds_that_are_chosen(page, monkeypatch):
    session = open_session(Project.open(projects_home() / "tiny"))
    save_cleansing(
        session, find_harm(session, CleanseOptions(TargetSplit("test"), by="count", drop=3))
    )
    slug = Rates(1e-3, 1e-3, 1e-3, 1e-3)
    monkeypatch.setattr(estimates, "SLOW", slug)
    page.run()
    assert not said(page)
    monkeypatch.setattr(estimates, "head_rates", lambda device, stored: slug)
    page.number_input(key="try_seeds").set_value(2).run()
    few = said(page)
    page.number_input(key="try_seeds").set_value(20).run()
    assert few
    assert said(page) != few


def said(page):
    return [c.value for c in page.caption if c.value.startswith("This takes about")]


def test_a_small_target_split_is_refused_in_one_sentence(page):
    page.selectbox(key="cleanse_part").set_value("misclassified")
    page.button(key="cleanse_go").click()
    page.run()
    job = finished(page, "cleanse")
    assert job.state == "failed"
    assert "target split" in job.message
    assert any("target split" in c.value for c in page.caption)
