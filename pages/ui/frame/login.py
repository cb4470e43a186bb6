"""Login with an OpenID Connect provider, when one is configured; every page lies behind it.

Streamlit does the protocol and keeps a signed cookie. What it needs stands in the section `[auth]`
of `.streamlit/secrets.toml`; docs/deploy.md shows one. Without it there is no login, as on one's
own machine. A configuration that is there but cannot be used lets nobody in.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from pages.ui.draw.text import plain

AUTHLIB = "Authlib>=1.3.2"  # as in the extra `auth`
SETTINGS = (
    "redirect_uri",
    "cookie_secret",
    "client_id",
    "client_secret",
    "server_metadata_url",
)


def login_configured() -> bool:
    """Whether `[auth]` stands in the secrets; a file that cannot be read counts as yes."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:  # none there, or one that is no TOML: then nobody gets in
        return any(Path(file).exists() for file in st.get_option("secrets.files"))
    except (OSError, ValueError):  # not ours to read, a folder, or no text
        return True


def what_is_wrong() -> str | None:
    """Why nobody can log in as things stand, in one sentence; None if all is there."""
    if find_spec("authlib") is None:
        return (
            "A login is configured, but the package Authlib is not installed; on the server, run "
            f'`pip install "{AUTHLIB}"` and start the app again.'
        )
    try:
        section = st.secrets["auth"]
    except (OSError, ValueError):
        return (
            "A login seems to be configured, but `.streamlit/secrets.toml` cannot be read; make it "
            "valid TOML that the app's user may read, and start the app again."
        )
    given = section if isinstance(section, Mapping) else {}
    missing = [name for name in SETTINGS if not given.get(name)]
    if missing:
        return (
            f"A login is configured, but the section `[auth]` of `.streamlit/secrets.toml` lacks "
            f"{', '.join(missing)}; docs/deploy.md shows a whole one."
        )
    return None


def require_login() -> None:
    """Stop here, with a button, until somebody has logged in."""
    if not login_configured() or st.user.get("is_logged_in"):
        return
    st.subheader("Turnover")
    if (why := what_is_wrong()) is not None:
        st.error(why)
        st.stop()
    st.text("Please log in. Your decisions are kept under your account's name.")
    st.button("Log in", key="login", type="primary", on_click=st.login)
    st.stop()


def account_box() -> None:
    """Who is logged in, and the way out."""
    if not login_configured():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        name = st.user.get("email") or st.user.get("name") or "unknown"
        st.caption(plain(str(name)))
        st.button("Log out", key="logout", type="tertiary", on_click=st.logout)
