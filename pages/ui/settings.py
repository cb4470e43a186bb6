"""Who sits in front of the page, and what that person may set for this browser session."""

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.models.device import pick_device
from pages.ui.login import account_box, login_configured
from pages.ui.text import plain

MOST_NAME = 100
_NAME = "reviewer_name"  # not a widget's key: those forget when their widget is not drawn


def reviewer() -> str:
    """The account when people log in, else the name in the settings, else "local"."""
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("email") or st.user.get("name") or "unknown")[:MOST_NAME]
    return str(st.session_state.get(_NAME) or "").strip()[:MOST_NAME] or "local"


def settings_box() -> None:
    """A popover in the sidebar: name of the reviewer, device, theme."""
    with st.sidebar, st.popover("Settings", icon=":material/settings:", key="settings"):
        if login_configured():
            account_box()
        else:
            st.text_input(
                "Reviewer name",
                value=st.session_state.get(_NAME, ""),
                max_chars=MOST_NAME,
                key="settings_name",
                placeholder="local",
                on_change=_keep_name,
                help="Your decisions on labels are kept under this name.",
            )
        st.caption(f"Device: {_device()}")
        st.caption("Theme: the system's, or in the menu ⋮ at the top right under Settings.")


def _keep_name() -> None:
    st.session_state[_NAME] = st.session_state["settings_name"]


@st.cache_data(show_spinner=False)
def _device() -> str:
    try:
        device = str(pick_device("auto"))
    except TurnoverError as error:
        return plain(str(error))
    if device == "cpu":
        return "cpu. No GPU was found: all works, new data and whole networks take longer"
    return plain(device)
