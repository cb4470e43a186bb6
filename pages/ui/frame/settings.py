"""Who sits in front of the page, and what that person may set for this browser session."""

from collections.abc import Sequence
from typing import TypeVar

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.workflow.results import (
    DEVICES,
    device_name,
    is_demo,
    memory_words,
    pick_device,
)
from pages.ui.draw.text import plain
from pages.ui.frame.people.login import account_box, login_configured

T = TypeVar("T")
MOST_NAME = 100
NOBODY = "local"  # decides where no name was given
STANDARD = "Standard"
SIZES = (STANDARD, 12, 24, 48, 96)
# Not the widgets' keys: those forget when their widget is not drawn.
_NAME, _DEVICE, _SIZE = "reviewer_name", "chosen_device", "chosen_size"


def reviewer() -> str:
    """The account when people log in, else the name in the settings, else "local"."""
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("email") or st.user.get("name") or "unknown")[:MOST_NAME]
    return str(st.session_state.get(_NAME) or "").strip()[:MOST_NAME] or NOBODY


def device() -> str:
    """Where this browser session computes, and the jobs that it starts: "auto", "cpu" …"""
    return str(_chosen(_DEVICE, ("auto", *DEVICES)))


def page_size(standard: int) -> int:
    """How many items a list shows at a time; what is standard there unless set otherwise."""
    chosen = _chosen(_SIZE, SIZES)
    return standard if chosen == STANDARD else int(chosen)


def settings_box() -> None:
    """A popover in the sidebar: name of the reviewer, device, items a page, theme."""
    if is_demo():
        st.sidebar.info(
            "A demo: look at everything. Decisions, training and data of your own want an "
            "installation of your own."
        )
    with st.sidebar, st.popover("Settings", icon=":material/settings:", key="settings"):
        if login_configured():
            account_box()
        else:
            st.text_input(
                "Reviewer name",
                value=st.session_state.get(_NAME, ""),
                max_chars=MOST_NAME,
                key="settings_name",
                placeholder=NOBODY,
                on_change=_keep,
                args=("settings_name", _NAME),
                help="Your decisions on labels and the jobs that you start carry this name.",
            )
        devices = ["auto", *_devices()]
        st.selectbox(
            "Device",
            devices,
            index=devices.index(device()) if device() in devices else 0,
            key="settings_device",
            on_change=_keep,
            args=("settings_device", _DEVICE),
            help="Where explanations are computed, and the jobs that you start.",
        )
        st.caption(f"auto is {_device()}")
        st.selectbox(
            "Items per page",
            SIZES,
            index=SIZES.index(_chosen(_SIZE, SIZES)),
            key="settings_size",
            on_change=_keep,
            args=("settings_size", _SIZE),
            help="Of every list: on Errors, Labels and Runs, and of the rows on Clean data.",
        )
        st.caption("Theme: the system's, or in the menu ⋮ at the top right under Settings.")


def keep_name(name: str) -> None:
    """Sign decisions and jobs of this browser session with a name; not where people log in."""
    st.session_state[_NAME] = name.strip()[:MOST_NAME]


def _chosen(place: str, allowed: Sequence[T]) -> T:
    """What was set, if it can be: a browser may send any text for a menu."""
    value = st.session_state.get(place)
    return value if value in allowed else allowed[0]


def _keep(widget: str, place: str) -> None:
    st.session_state[place] = st.session_state[widget]


@st.cache_data(show_spinner=False)
def _devices() -> list[str]:
    """What this machine has."""
    return [name for name in DEVICES if _usable(name)]


def _usable(name: str) -> bool:
    try:
        pick_device(name)
    except TurnoverError:
        return False
    return True


def _device() -> str:
    try:
        device = pick_device("auto")
    except TurnoverError as error:
        return plain(str(error))
    if device.type == "cpu":
        return "cpu. No GPU was found: all works, new data and whole networks take longer"
    return plain(f"{device_name(device)}. {memory_words(device)}")
