"""What long work will take stands under the form that starts it, once the device is measured."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from tiny import project

from influence_core.store.project import projects_home
from influence_core.workflow import expected as estimates
from influence_core.workflow.costs import rates as device_rates
from influence_core.workflow.costs.estimate import Rates
from influence_core.workflow.train.head import TrainOptions, train

APP = Path(__file__).resolve().parents[2] / "app.py"
ENTRY = dict.fromkeys(("product", "step", "turnover", "ridge"), 1e-3)  # everything is long


@pytest.mark.parametrize("page", ["trust", "cleanse"])
def test_a_form_says_what_its_work_will_take(page, monkeypatch):
    options = TrainOptions(members=2, width=32, epochs=2, device="cpu")
    train(project(projects_home() / "tiny", n=90), options)
    monkeypatch.setattr(estimates, "SLOW", Rates(**ENTRY))

    def captions():
        test = AppTest.from_file(str(APP), default_timeout=600)
        test.session_state["project"] = "tiny"
        opened = test.run().switch_page(f"pages/{page}.py").run()
        assert not opened.exception
        return [c.value for c in opened.caption if "the form opens with" in c.value]

    assert captions() == []  # nothing is measured while somebody waits for a page
    monkeypatch.setattr(device_rates, "measure", lambda device: ENTRY)
    device_rates.head_rates()
    [said] = captions()
    assert "this takes about" in said


def test_the_button_that_trains_says_how_long_and_where_that_is_from(monkeypatch):
    train(project(projects_home() / "tiny", n=90), TrainOptions(members=2, width=32, epochs=2))
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    test.run()

    def told():
        page = test.switch_page("pages/runs.py").run()
        assert not page.exception
        sources = [c.value for c in page.caption if c.value.startswith("The time is")]
        return page.button(key="fit_go").label, sources

    label, sources = told()
    assert re.fullmatch(r"Train \(about \d+ s\)", label)
    assert "guess for two usual cores" in sources[0]
    monkeypatch.setattr(device_rates, "measure", lambda device: ENTRY)
    device_rates.head_rates()
    label, sources = told()
    assert re.fullmatch(r"Train \(about [\d.]+ (min|h)\)", label)
    assert "measured on this machine" in sources[0]
