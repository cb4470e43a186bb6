"""Who decides, asked once: a name that this browser keeps, so that two people are told apart.

The first browser may go on without a name, as on one's own machine; any other is asked for one
before it decides, since decisions without a name replace each other.
"""

import re
from collections.abc import Mapping

import streamlit as st

from influence_core.visible import visible
from influence_core.workflow.projects.unnamed import may_be_unnamed
from influence_core.workflow.results import projects_home
from pages.ui.frame.people.login import login_configured
from pages.ui.frame.settings import MOST_NAME, NOBODY, keep_name, reviewer

# The browser tells its id and the name it keeps; a name that is set here is kept there.
_JS = """
const KEY = "turnover-browser", NAME = "turnover-name";
export default function ({ data, setTriggerValue }) {
  try {
    let id = localStorage.getItem(KEY);
    if (!id) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      id = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      localStorage.setItem(KEY, id);
    }
    if (data.name) localStorage.setItem(NAME, data.name);
    if (!data.heard) setTriggerValue("told", { id, name: localStorage.getItem(NAME) || "" });
  } catch { /* a browser that keeps nothing is asked nothing */ }
}
"""
_mount = st.components.v2.component("turnover_who", html="", js=_JS)
_BROWSER = "who_browser"  # id of this session's browser; "" for one that sends no good one
_REDRAW = "who_redraw"
_ID = re.compile(r"[0-9a-f]{32}")


def ask_name() -> bool:
    """Draw the question where it has to be answered; whether this person may decide."""
    if login_configured():
        return True
    named = reviewer() != NOBODY
    _hear(reviewer() if named else "")
    browser = st.session_state.get(_BROWSER)
    if named or not browser or may_be_unnamed(projects_home(), browser):
        return True
    with st.form("who_form", border=True):
        st.markdown(
            f"**Who are you?** Somebody decides here as *{NOBODY}* already. With your name your "
            "decisions are told apart from theirs; this browser keeps it."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.text_input("Your name", key="who_name", max_chars=MOST_NAME, width=260)
            st.form_submit_button("Go on", key="who_go", type="primary", on_click=_named)
    return False


@st.fragment
def _hear(name: str) -> None:
    """Let the browser say who it is; the page is drawn again only where that changes it."""
    if st.session_state.pop(_REDRAW, False):
        st.rerun(scope="app")
    heard = _BROWSER in st.session_state
    _mount(key="who", height=0, on_told_change=_told, data={"name": name, "heard": heard})


def _named() -> None:
    keep_name(st.session_state["who_name"])


def _told() -> None:
    """What the browser says of itself; anybody can send anything."""
    told = (st.session_state.get("who") or {}).get("told")
    if not isinstance(told, Mapping):
        return
    browser, name = told.get("id"), told.get("name")
    good = isinstance(browser, str) and _ID.fullmatch(browser)
    st.session_state[_BROWSER] = browser if good else ""
    if reviewer() != NOBODY:
        return
    if isinstance(name, str) and name:
        keep_name(visible(name))
        st.session_state[_REDRAW] = True
    elif good:
        st.session_state[_REDRAW] = not may_be_unnamed(projects_home(), str(browser))
