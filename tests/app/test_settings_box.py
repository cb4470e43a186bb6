"""What a person sets counts on every page, and in the jobs that are started there."""

import re

import pytest
import streamlit as st
from errors_page import start, worst
from streamlit.testing.v1 import AppTest
from tiny import BAD, GOOD
from tiny import project as tiny_project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.cli.verbs import loaded
from influence_core.data.build import build_dataset
from influence_core.store.project import Project, projects_home
from influence_core.store.reviews.store import open_reviews
from influence_core.workflow.review.desk import open_desk
from influence_core.workflow.train.head import TrainOptions, train
from influence_core.workflow.train.runs.compare import compare_runs
from pages.ui.frame import shell
from pages.ui.frame.jobs import panel as jobs_ui


def opens(test):
    return [b.key for b in test.button if (b.key or "").startswith("open_")]


def test_the_list_shows_as_many_items_as_were_asked_for():
    test = start(project="reviews")
    assert len(opens(test)) == 24
    test.selectbox(key="settings_size").set_value(12).run()
    assert not test.exception
    assert len(opens(test)) == 12
    test.switch_page("pages/trust.py").run()
    test.switch_page("pages/errors.py").run()
    assert len(opens(test)) == 12


def sized(test, page, size, **switches):
    """The page after this many items were asked for."""
    test.switch_page(page)
    for name, value in switches.items():
        test.session_state[name] = value
    test.run()
    test.selectbox(key="settings_size").set_value(size).run()
    assert not test.exception
    assert not test.error
    return test


def test_the_grid_of_labels_does_so_too():
    test = sized(start(project="reviews"), "pages/labels.py", 12, view="many")
    assert sum((b.key or "").startswith("tick_") for b in test.checkbox) == 12


def test_sets_of_copies_do_so_too():
    texts = [f"{text} {i}" for i in range(30) for text in (GOOD[i % 4], GOOD[i % 4])]
    parts = {"train": {"text": texts, "label": [0, 1] * 30}}
    for name in ("valid", "test"):
        parts[name] = {"text": [f"{name} {BAD[i % 4]} {i}" for i in range(6)], "label": [0, 1] * 3}
    made = Project.create(
        projects_home() / "twice", "Twice", build_dataset(parts, ["bad", "good"]), "minilm"
    )
    train(made, TrainOptions(members=1, width=8, epochs=1))
    test = sized(start(project="twice"), "pages/labels.py", 24, view="copies")
    assert sum("Exact copies" in m.value for m in test.markdown) == 24
    test.selectbox(key="settings_size").set_value(96).run()
    assert sum("Exact copies" in m.value for m in test.markdown) == 30


def test_the_items_that_two_runs_differ_in_do_so_too():
    test = start(project="reviews")
    project = Project.open(projects_home() / "reviews")
    old = project.latest_run().id
    new = train(project, TrainOptions(members=1, width=8, epochs=1)).id
    assert len(compare_runs(project, old, new, "test").changed) > 24
    assert len(opens(sized(test, "pages/runs.py", 12))) == 12


@pytest.mark.parametrize(("size", "shown"), [(12, 12), (24, 18)])
def test_the_rows_of_a_cleansing_do_so_too(size, shown):
    made = tiny_project(projects_home() / "tiny", n=180)
    train(made, TrainOptions(members=2, width=32, epochs=3))
    ask = ["cleanse", "tiny", "--judge", "valid", "--by", "fraction", "--drop", "0.1"]
    assert CliRunner().invoke(app, ask).exit_code == 0
    test = sized(start(project="tiny"), "pages/cleanse.py", size)
    assert sum("harmful −" in m.value for m in test.markdown) == shown


def test_rows_selected_on_the_map_do_so_too():
    start(project="reviews")

    def page():  # becomes a script of its own
        from errors_page import worst

        from pages.ui.frame.settings import settings_box
        from pages.ui.map import selected_list

        settings_box()
        selected_list(worst("reviews")[0], range(30))

    test = AppTest.from_function(page, default_timeout=600).run()
    test.selectbox(key="settings_size").set_value(12).run()
    assert not test.exception
    assert (
        sum(re.fullmatch(r"\*\*\w+\*\* [\d.]+\s%", m.value) is not None for m in test.markdown)
        == 12
    )


def test_explanations_and_jobs_use_the_device_that_was_chosen(monkeypatch):
    test = start(project="reviews")
    assert test.selectbox(key="settings_device").options[0] == "auto"
    assert "cpu" in test.selectbox(key="settings_device").options
    test.selectbox(key="settings_device").set_value("cpu").run()
    started = []
    monkeypatch.setattr(
        jobs_ui, "start", lambda root, arguments, **_: started.append(list(arguments))
    )
    test.switch_page("pages/trust.py").run()
    (go,) = [b for b in test.button if b.label.startswith("Evaluate")]
    go.click().run()
    assert not test.exception
    assert started[0][0] == "evaluate"
    assert started[0][-2:] == ["--device", "cpu"]


def test_decisions_and_jobs_carry_the_name_that_was_given(monkeypatch):
    _, wrong = worst("reviews")
    test = start(project="reviews", item=f"{wrong['key'][0]:016x}")
    test.text_input(key="settings_name").set_value(" Ada ").run()
    test.button(key="mark_harmful_1").click().run()
    assert not test.exception
    store = open_reviews(Project.open(projects_home() / "reviews"))
    assert [event.reviewer for event in store.events()] == ["Ada"]
    store.close()
    test.switch_page("pages/labels.py").run()
    assert any("signed in as **Ada**" in c.value for c in test.caption)
    started = []
    monkeypatch.setattr(jobs_ui, "start", lambda *_, who, **__: started.append(who))
    test.switch_page("pages/trust.py").run()
    (go,) = [b for b in test.button if b.label.startswith("Evaluate")]
    go.click().run()
    assert started == ["Ada"]


def test_evidence_on_labels_is_computed_where_explanations_are(monkeypatch):
    st.cache_resource.clear()
    test = start(project="reviews")
    opened, desks = {}, []
    real = shell.open_session

    def open_session(project, run, device):
        opened[device] = real(project, run, device)
        return opened[device]

    monkeypatch.setattr(shell, "open_session", open_session)
    monkeypatch.setattr(
        shell, "open_desk", lambda session: desks.append(session) or open_desk(session)
    )
    st.cache_resource.clear()
    test.switch_page("pages/labels.py").run()
    test.selectbox(key="settings_device").set_value("cpu").run()
    assert not test.exception
    assert list(opened) == ["auto", "cpu"]
    assert [id(s) for s in desks] == [id(s) for s in opened.values()]


def test_jobs_of_the_pages_are_told_a_device_if_their_verb_takes_one():
    started = (
        "new", "encode", "train", "predict", "explain", "verify", "causes", "map", "evaluate",
        "cleanse", "trial", "score",
    )  # fmt: skip
    takes = {
        verb
        for verb in started
        if "--device" in {option for part in loaded(verb).params for option in part.opts}
    }
    assert takes == set(jobs_ui.ON_DEVICE)


@pytest.mark.parametrize("sent", ["--help", "cpu; rm", "12", "", None, 7])
def test_what_stands_in_no_menu_counts_as_not_chosen(sent):
    """A browser of somebody's own may send it."""
    test = start(project="reviews", chosen_device=sent, chosen_size=sent)
    assert not test.exception
    assert test.selectbox(key="settings_device").value == "auto"
    assert test.selectbox(key="settings_size").value == "Standard"
