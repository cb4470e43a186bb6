"""What a person sets counts on every page, and in the jobs that are started there."""

import pytest
from errors_page import start
from streamlit.testing.v1 import AppTest
from tiny import BAD, GOOD
from tiny import project as tiny_project
from typer.testing import CliRunner

from influence_core.cli import app
from influence_core.data.build import build_dataset
from influence_core.store.project import Project, projects_home
from influence_core.workflow.compare_runs import compare_runs
from influence_core.workflow.train import TrainOptions, train
from pages.ui import jobs as jobs_ui


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


def test_pairs_of_duplicates_do_so_too():
    texts = [f"{text} {i}" for i in range(30) for text in (GOOD[i % 4], GOOD[i % 4])]
    parts = {"train": {"text": texts, "label": [0, 1] * 30}}
    for name in ("valid", "test"):
        parts[name] = {"text": [f"{name} {BAD[i % 4]} {i}" for i in range(6)], "label": [0, 1] * 3}
    made = Project.create(
        projects_home() / "twice", "Twice", build_dataset(parts, ["bad", "good"]), "minilm"
    )
    train(made, TrainOptions(members=1, width=8, epochs=1))
    test = sized(start(project="twice"), "pages/labels.py", 24, view="twins")
    assert sum("duplicate, similarity" in c.value for c in test.caption) == 24
    test.selectbox(key="settings_size").set_value(96).run()
    assert sum("duplicate, similarity" in c.value for c in test.caption) >= 30


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
    assert sum("harmful −" in c.value for c in test.caption) == shown


def test_rows_selected_on_the_map_do_so_too():
    start(project="reviews")

    def page():  # becomes a script of its own
        from errors_page import worst

        from pages.ui.map import selected_list
        from pages.ui.settings import settings_box

        settings_box()
        selected_list(worst("reviews")[0], range(30))

    test = AppTest.from_function(page, default_timeout=60).run()
    test.selectbox(key="settings_size").set_value(12).run()
    assert not test.exception
    assert sum(c.value.startswith("**") for c in test.caption) == 12


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


@pytest.mark.parametrize("verb", jobs_ui.ON_DEVICE)
def test_every_verb_that_is_told_a_device_takes_one(verb):
    import typer.main

    command = typer.main.get_command(app).commands[verb]
    assert "--device" in {option for parameter in command.params for option in parameter.opts}
