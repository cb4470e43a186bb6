"""What long work will take stands under the form that starts it, once the device is measured."""

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


@pytest.mark.parametrize("page", ["trust", "cleanse", "runs"])
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
