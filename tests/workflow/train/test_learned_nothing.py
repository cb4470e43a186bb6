"""Rows that an encoder cannot tell apart: every question about them has an answer."""

import json

import numpy as np
import pytest
import tiny
from errors_page import start
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.errors import DataError
from influence_core.store.project import Project, projects_home
from influence_core.workflow.cleanse.find_harm import DECISIONS, CleanseOptions, find_harm
from influence_core.workflow.cleanse.target_split import TargetSplit
from influence_core.workflow.evaluate.evaluate import STAGES, EvaluateOptions, evaluate
from influence_core.workflow.explain.explain import explain
from influence_core.workflow.explain.items import find_item
from influence_core.workflow.explain.map import make_map
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train

QUICK = TrainOptions(members=2, width=16, epochs=2)


def equal(folder):
    """Every word is unknown to the encoder, so all features are the same."""
    tiny.encoder(folder / "encoder")
    parts = {
        name: {"text": [f"{name}{i}" for i in range(rows)], "label": np.arange(rows) % 2}
        for name, rows in (("train", 40), ("valid", 10), ("test", 10))
    }
    return Project.create(
        folder / "equal", "Equal", build_dataset(parts, ["bad", "good"]), f"hf:{folder / 'encoder'}"
    )


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    made = equal(tmp_path_factory.mktemp("home"))
    train(made, QUICK)
    return open_session(Project.open(made.root))


def test_the_desk_flags_and_suggests_nothing_and_says_so(session):
    desk = open_desk(session)
    assert not desk.scores["flagged"].any()
    assert (desk.scores["suggested"] == desk.scores["given"]).all()
    assert desk.progress().flagged == 0
    assert desk.bulk(range(40), "accept") == []
    assert "learned nothing" in desk.skill.sentences(desk.classes)[0]
    desk.evidence([0, 1])
    desk.reviews.close()


def test_rows_that_only_a_guess_calls_harmful_are_not_cleansed(session):
    question = CleanseOptions(TargetSplit("valid", "all"), by="fraction")
    with pytest.raises(DataError, match=r"learned nothing that could tell.*'decisions'"):
        find_harm(session, question)
    by_people = CleanseOptions(TargetSplit("valid", "all"), by=DECISIONS)
    assert find_harm(session, by_people).edits() == ()


def test_explaining_mapping_and_evaluating_answer_all_the_same(session):
    test = session.project.dataset.split("test")
    explain(session, find_item(session, "test", int(test.keys[0])))
    make_map(session.project)
    report = evaluate(session, EvaluateOptions(targets=2, subsets=10, planted=0.2, what=STAGES))
    assert report.record.checks["null"]


def test_the_errors_page_and_the_verb_say_so(tmp_path):
    made = equal(projects_home())
    train(made, QUICK)
    said = "has learned nothing that could tell, so what helped and what harmed an item says little"
    page = start(project=made.root.name)
    assert not page.exception
    assert any(said in warning.value for warning in page.warning)
    wrong = next(b for b in page.button if b.key and b.key.startswith("open_"))
    page = page.button(key=wrong.key).click().run()
    assert any(said in warning.value for warning in page.warning)
    done = CliRunner().invoke(app, ["explain", "equal", "--json"])
    assert said in json.loads(done.stdout)["doubt"]
    assert said in CliRunner().invoke(app, ["explain", "equal"]).output


def test_a_run_that_learned_is_not_doubted():
    page = start(project="reviews")
    assert not [w for w in page.warning if "learned nothing" in w.value]
