"""Login: nothing of a project is drawn before it, and a broken configuration lets nobody in."""

import sys
import tomllib
from pathlib import Path

import pytest
import streamlit as st
from errors_page import APP
from streamlit.testing.v1 import AppTest

from pages.ui.frame.people.login import AUTHLIB, SETTINGS, login_configured, what_is_wrong

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "x" * 32,
    "client_id": "turnover",
    "client_secret": "secret",
    "server_metadata_url": "http://127.0.0.1:9/.well-known/openid-configuration",
}


@pytest.mark.parametrize("page", [None, "projects", "labels", "cleanse", "trust"])
def test_every_page_lies_behind_the_login(page):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.secrets["auth"] = AUTH
    test.run()
    if page:
        test.switch_page(f"pages/{page}.py").run()
    assert [button.label for button in test.button] == ["Log in"]
    assert not test.selectbox
    assert not test.exception


def test_a_login_without_its_package_says_what_to_install(monkeypatch):
    # None stands for "cannot be imported", as Python itself has it.
    monkeypatch.setitem(sys.modules, "authlib", None)
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.secrets["auth"] = AUTH
    test.run()
    assert f'`pip install "{AUTHLIB}"`' in test.error[0].value
    assert not test.button
    assert not test.selectbox
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert extras["auth"] == [AUTHLIB]


@pytest.mark.parametrize("missing", SETTINGS)
def test_a_login_without_one_of_its_settings_names_it(missing):
    test = AppTest.from_file(str(APP), default_timeout=600)
    test.secrets["auth"] = {name: value for name, value in AUTH.items() if name != missing}
    test.run()
    assert f"lacks {missing};" in test.error[0].value
    assert not test.button
    assert not test.selectbox


def test_without_a_configuration_there_is_no_login():
    test = AppTest.from_file(str(APP), default_timeout=600).run()
    assert "Log in" not in [button.label for button in test.button]
    name = test.text_input(key="settings_name")
    name.set_value("ann").run()
    assert test.session_state["reviewer_name"] == "ann"


@pytest.mark.parametrize("kind", ["broken", "folder", "no text"])
def test_secrets_that_cannot_be_read_let_nobody_in(kind, tmp_path, monkeypatch):
    file = tmp_path / "secrets.toml"
    if kind == "folder":  # what docker makes of a mount whose file is not there
        file.mkdir()
    else:
        file.write_bytes(b"[auth" if kind == "broken" else b"[auth]\nx = '\xff'")
    monkeypatch.setattr(st, "get_option", lambda name: [str(file)])
    monkeypatch.setattr(st.runtime.secrets.config, "get_option", lambda name: [str(file)])
    monkeypatch.setattr(st, "secrets", st.runtime.secrets.Secrets())
    assert login_configured()
    assert "cannot be read" in what_is_wrong()
