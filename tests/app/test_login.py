"""Login: nothing of a project is drawn before it, and a broken configuration lets nobody in."""

import sys

import pytest
from errors_page import APP
from streamlit.testing.v1 import AppTest

from pages.ui.login import login_configured

AUTH = {
    "redirect_uri": "http://localhost:8501/oauth2callback",
    "cookie_secret": "x" * 32,
    "client_id": "turnover",
    "client_secret": "secret",
    "server_metadata_url": "http://127.0.0.1:9/.well-known/openid-configuration",
}


@pytest.mark.parametrize("page", [None, "projects", "labels", "cleanse", "trust"])
def test_every_page_lies_behind_the_login(page):
    test = AppTest.from_file(str(APP), default_timeout=60)
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
    test = AppTest.from_file(str(APP), default_timeout=60)
    test.secrets["auth"] = AUTH
    test.run()
    assert "turnover[auth]" in test.error[0].value
    assert not test.button
    assert not test.selectbox


def test_without_a_configuration_there_is_no_login():
    test = AppTest.from_file(str(APP), default_timeout=60).run()
    assert "Log in" not in [button.label for button in test.button]
    name = test.text_input(key="settings_name")
    name.set_value("ann").run()
    assert test.session_state["reviewer_name"] == "ann"


def test_secrets_that_cannot_be_read_let_nobody_in(tmp_path, monkeypatch):
    broken = tmp_path / "secrets.toml"
    broken.write_text("[auth")
    import streamlit as st

    monkeypatch.setattr(st, "get_option", lambda name: [str(broken)])
    monkeypatch.setattr(st, "secrets", st.runtime.secrets.Secrets())
    monkeypatch.setattr(st.runtime.secrets.Secrets, "file_paths", [str(broken)], raising=False)
    assert login_configured()
