"""Login with an OpenID Connect provider, when one is configured; every page lies behind it.

Streamlit does the protocol and keeps a signed cookie. What it needs stands in the section `[auth]`
of `.streamlit/secrets.toml`; docs/deploy.md shows one. Without it there is no login, as on one's
own machine. A configuration that is there but cannot be used lets nobody in.
"""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from pages.ui.draw.text import plain

AUTHLIB = "Authlib>=1.6.9"  # as in the extra `auth`
SETTINGS = (
    "redirect_uri",
    "cookie_secret",
    "client_id",
    "client_secret",
    "server_metadata_url",
)
_COOKIE = "_streamlit_user"  # Streamlit's signed cookie, whole or in numbered parts
_passed: dict[str, frozenset[tuple[str, str]]] = {}  # session to the cookies of its user


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
    if not login_configured():
        return
    _note(passed=bool(st.user.get("is_logged_in")))
    if st.user.get("is_logged_in"):
        return
    st.subheader("Turnover")
    if (why := what_is_wrong()) is not None:
        st.error(why)
        st.stop()
    st.text("Please log in. Your decisions are kept under your account's name.")
    st.button("Log in", key="login", type="primary", on_click=st.login)
    st.stop()


def _note(*, passed: bool) -> None:
    """Remember whether the session that runs this script has passed, by its browser's cookies."""
    context = get_script_run_ctx()
    if context is None:
        return
    for session in list(_passed):
        if not (runtime.exists() and runtime.get_instance().is_active_session(session)):
            _passed.pop(session, None)
    if passed:
        _passed[context.session_id] = _of_user(st.context.cookies.to_dict())
    else:
        _passed.pop(context.session_id, None)


def has_passed(cookies: Mapping[str, str], session: str | None) -> bool:
    """Whether a request comes from a browser that has passed the login.

    Args:
        cookies: of the request.
        session: which must be that browser's; None for any.
    """
    theirs = _of_user(cookies)
    known = list(_passed.values()) if session is None else [_passed.get(session)]
    return bool(theirs) and theirs in known


def _of_user(cookies: Mapping[str, str]) -> frozenset[tuple[str, str]]:
    return frozenset(pair for pair in cookies.items() if pair[0].startswith(_COOKIE))


def account_box() -> None:
    """Who is logged in, and the way out."""
    if not login_configured():
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        name = st.user.get("email") or st.user.get("name") or "unknown"
        st.caption(plain(str(name)))
        st.button("Log out", key="logout", type="tertiary", on_click=st.logout)
