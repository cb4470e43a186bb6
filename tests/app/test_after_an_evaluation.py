"""What an evaluation changes is seen at once, in tabs that are open and in a server that runs."""

import numpy as np
import pandas as pd
import pytest
from errors_page import APP, start
from streamlit.testing.v1 import AppTest
from tiny import project

from influence_core.store.evaluations import EvaluationRecord, write_evaluation
from influence_core.store.project import Project, projects_home
from influence_core.workflow.explain.items import misclassified
from influence_core.workflow.session import open_session
from influence_core.workflow.train.head import TrainOptions, train
from pages.ui.draw.numbers import day


@pytest.fixture
def session():
    made = project(projects_home() / "tiny", n=90)
    train(made, TrainOptions(members=2, width=32, epochs=2, device="cpu"))
    return open_session(Project.open(made.root), device="cpu")


def evaluated(session, best, planted="self_influence"):
    """Leave behind what an evaluation does."""
    session.run.add_table(
        "eval-planted",
        pd.DataFrame(
            {"column": [planted, "flipped"], "average_precision": [0.9, 0.2], "auc": [0.9, 0.2]}
        ),
    )
    record = EvaluationRecord(session.run.id, "2026-01-01T00:00:00", best)
    write_evaluation(session.project.root, record)
    session.project.with_settings(default_estimator=best)


def open_errors(session):
    key = int(misclassified(session, "test")["key"][0])
    return start(project="tiny", item=f"{key:016x}")


def test_the_errors_page_follows_the_new_default_in_open_and_new_tabs(session):
    tab = open_errors(session)
    assert tab.radio(key="estimator").value == "flipped-ridge"
    evaluated(session, "similarity")
    for page in (tab.run(), open_errors(session)):
        assert not page.exception
        assert page.radio(key="estimator").value == "similarity"
        assert any(
            "knows nothing of what the model has learned" in (c.help or "") for c in page.caption
        )


def test_a_choice_of_the_viewers_own_stays(session):
    tab = open_errors(session)
    tab.radio(key="estimator").set_value("flipped-cosine").run()
    evaluated(session, "similarity")
    assert tab.run().radio(key="estimator").value == "flipped-cosine"


def labels_page():
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.session_state["project"] = "tiny"
    test.session_state["label_rows"] = "all"
    test.run().switch_page("pages/labels.py")
    return test.run()


def test_the_labels_page_follows_the_order(session):
    tab = labels_page()
    before = tab.session_state["label_queue"][1].positions
    evaluated(session, "similarity")
    after = tab.run().session_state["label_queue"][1].positions
    assert sorted(before) == sorted(after)
    rows = session.run.table("rows")["self_influence"].to_numpy()
    assert (np.diff(rows[after]) <= 0).all()
    assert not (np.diff(rows[before]) <= 0).all()


def test_any_setting_that_changes_is_seen_by_an_open_project(session, tmp_path):
    kept, url = session.project, f"sqlite:///{tmp_path / 'shared.db'}"
    tab = labels_page()
    Project.open(kept.root).with_settings(name="Renamed", target_split="test", database=url)
    assert (kept.name, kept.settings.target_split, kept.settings.database) == (
        "Renamed",
        "test",
        url,
    )
    assert any("Renamed" in c.value for c in tab.run().caption)
    assert (tmp_path / "shared.db").is_file()  # decisions go there from now on


def test_each_method_tells_its_agreement_or_that_it_was_not_evaluated(session):
    lds = [("flipped-ridge", 0.8), ("flipped-ridge", 0.9), ("similarity", 0.25)]
    session.run.add_table(
        "eval-lds",
        pd.DataFrame(
            [("wrong", key, name, value) for key, (name, value) in enumerate(lds)],
            columns=["kind", "key", "estimator", "lds"],
        ),
    )
    captions = list(open_errors(session).radio(key="estimator").proto.captions)
    assert captions[0].startswith("agreement with retraining on this project: 0.85 ± ")
    assert "agreement with retraining on this project: 0.25" in captions
    assert captions.count("not evaluated") == len(captions) - 2


def tuned(page):
    return [c.value for c in page.caption if "tuned by the evaluation of" in c.value]


def test_numbers_say_which_evaluation_tuned_the_settings_that_made_them(session):
    assert not tuned(open_errors(session))
    record = EvaluationRecord(
        session.run.id,
        "2026-03-09T23:30:00+00:00",
        settings={"flipped-ridge": {"strength": 0.3}},
    )
    write_evaluation(session.project.root, record)
    page = open_errors(session)
    assert not page.exception
    [line] = tuned(page)
    assert f"; tuned by the evaluation of {day(record.created)}." in line
    assert "rows scored on" in line  # beside what made the numbers
    # A method that the evaluation chose nothing for works with its own settings, and says no such.
    assert not tuned(page.radio(key="estimator").set_value("similarity").run())
