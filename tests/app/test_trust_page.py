"""The Trust page without a browser: before and after an evaluation from the command line."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
from errors_page import start
from streamlit.testing.v1 import AppTest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.influence import ESTIMATORS
from influence_core.store.evaluations import read_evaluation, write_evaluation
from influence_core.store.project import Project, projects_home
from influence_core.workflow.evaluate.agreement import agreements
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

APP = Path(__file__).resolve().parents[2] / "app.py"


def open_page():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    test.run()
    return test.switch_page("pages/trust.py").run()


def test_an_evaluation_fills_the_page_and_the_best_is_used_on_request():
    train(project(projects_home() / "tiny", n=90), TrainOptions(members=2, width=32, epochs=5))
    page = open_page()
    assert any("turnover evaluate tiny" in i.value for i in page.info)
    told = CliRunner().invoke(
        app,
        [
            "evaluate",
            "tiny",
            "--what",
            "lds,removal,null",
            "--targets",
            "2",
            "--subsets",
            "10",
            "--json",
        ],
    )
    assert told.exit_code == 0, told.output
    assert {"replay", "together"} <= {
        line["estimator"] for line in json.loads(told.stdout)["tables"]["qld"]
    }
    page = open_page()
    assert not page.exception
    assert not page.error or all("null" in e.value for e in page.error)  # a failed check is allowed
    assert any("is the default: agreement with retraining " in m.value for m in page.markdown)
    told = next(m.value for m in page.markdown if "items are too few to tell" in m.value)
    count = re.search(r"(\d+) items are too few", told)[1]
    assert any(f" on {count} items, misclassified and ran" in c.value for c in page.caption)
    assert any("without the one row that a method calls most" in c.value for c in page.caption)
    tables = [table.value for table in page.dataframe]
    names = set(Project.open(projects_home() / "tiny").dataset.split("test").ids)
    items = [name for table in tables if "key" in table for name in table["key"]]
    assert items and set(items) <= names  # not the hashes of their keys
    floats = [v for table in tables for v in table.select_dtypes("float").to_numpy().ravel()]
    assert floats and all(float(f"{v:.3g}") == v for v in floats if math.isfinite(v))
    assert not any("e+" in m.value or "e-0" in m.value for m in page.markdown)
    tiny = Project.open(projects_home() / "tiny")
    assert tiny.settings.default_estimator == ""
    found = read_evaluation(tiny.root)
    write_evaluation(tiny.root, replace(found, estimator="similarity"))
    page = open_page()
    page.button(key="use_best").click().run()
    assert tiny.settings.default_estimator == "similarity"
    assert not [b for b in page.button if b.key == "use_best"]
    unknown = CliRunner().invoke(app, ["evaluate", "tiny", "--what", "magic"])
    assert unknown.exit_code == 1
    assert "no evaluation 'magic'" in unknown.stderr


@pytest.mark.parametrize("sample", ["fashion", "reviews"])
def test_a_fresh_sample_tells_at_once_how_far_its_methods_agree_with_retraining(sample):
    page = start(project=sample)  # copied into a home of its own
    page.switch_page("pages/trust.py").run()
    assert not page.exception
    assert page.button(key="evaluate_go").label == "Evaluate again"
    assert any("Isolation: passed" in s.value for s in page.success)
    assert any("on 60 items" in c.value for c in page.caption)
    assert len(page.get("plotly_chart")) == 3
    session = open_session(Project.open(projects_home() / sample), device="cpu")
    key = int(misclassified(session, "test")["key"][0])
    page = start(project=sample, item=f"{key:016x}")
    told = list(page.radio(key="estimator").proto.captions)
    for words, name in zip(told, ESTIMATORS, strict=True):
        interval = agreements(session.run)[name]
        assert words == f"agreement with retraining on this project: {interval}"
