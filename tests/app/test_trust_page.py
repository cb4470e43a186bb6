"""The Trust page without a browser: before and after an evaluation from the command line."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest
from tiny import project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.store.project import Project, projects_home
from influence_core.workflow.train.head import TrainOptions, train

APP = Path(__file__).resolve().parents[2] / "app.py"


def open_page():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    test.run()
    return test.switch_page("pages/trust.py").run()


def test_an_evaluation_fills_the_page_and_sets_the_default():
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
    assert any("LDS" in i.value for i in page.info)
    assert any("without the one row that a method calls most" in c.value for c in page.caption)
    assert Project.open(projects_home() / "tiny").settings.default_estimator
    unknown = CliRunner().invoke(app, ["evaluate", "tiny", "--what", "magic"])
    assert unknown.exit_code == 1
    assert "no evaluation 'magic'" in unknown.stderr
