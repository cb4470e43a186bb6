"""Login with an OpenID Connect provider, when one is configured; every page lies behind it.

Streamlit does the protocol and keeps a signed cookie. What it needs stands in the section `[auth]`
of `.streamlit/secrets.toml`; docs/deploy.md shows one. Without it there is no login, as on one's
own machine. A configuration that is there but cannot be used lets nobody in.
"""

from importlib.util import find_spec
from pathlib import Path

import streamlit as st

from pages.ui.text import plain


def login_configured() -> bool:
    """Whether `[auth]` stands in the secrets; a file that cannot be read counts as yes."""
    try:
        return "auth" in st.secrets
    except FileNotFoundError:  # none there, or one that is no TOML: then nobody gets in
        return any(Path(file).exists() for file in st.get_option("secrets.files"))


def require_login() -> None:
    """Stop here, with a button, until somebody has logged in."""
    if not login_configured() or st.user.get("is_logged_in"):
        return
    st.subheader("Turnover")
    if find_spec("authlib") is None:
        st.error(
            "A login is configured, but the package that it needs is not installed; on the server, "
            'run `pip install "turnover[auth]"` and start the app again.'
        )
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
