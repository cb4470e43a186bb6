"""What a person sets counts on every page, and in the jobs that are started there."""

import pytest
from errors_page import start

from influence_core.cli import app
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
