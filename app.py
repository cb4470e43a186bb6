"""The dashboard's entry: `turnover app` from any folder, or `streamlit run app.py`.

Streamlit runs this file in two ways: once to find `app`, the program that it serves, with our doors
before it; and as a script for every visit, which draws the page.
"""

import os
import sys
from pathlib import Path

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

# Pages import their shared parts as `pages.ui`, from wherever the app was started.
sys.path.insert(0, str(Path(__file__).resolve().parent))

# Streamlit leaves 6rem above a page; the menu takes less than 4. Beside the sidebar a narrow window
# has no room for an item and its rows side by side, so its columns stand one below the
# other there, as Streamlit itself stacks columns below 640 px.
STYLE = """
.stMainBlockContainer { padding-top: 4rem; }
:has(> [class*="st-key-unseen_"]) { display: none; }
@media (max-width: 1100px) {
  .stHorizontalBlock:has(> .stColumn .st-key-answer_item) { flex-wrap: wrap; }
  .stColumn:has(.st-key-answer_item), .stColumn:has(.st-key-answer_item) ~ .stColumn {
    min-width: 100%;
  }
  .st-key-answer_item { display: grid; grid-template-columns: 13rem 1fr; gap: 0.5rem 1.5rem; }
  .st-key-answer_item > * { grid-column: 2; width: 100%; }
  .st-key-answer_item > :first-child { grid-column: 1; grid-row: 1 / span 4; }
  .st-key-answer_item > :has(.stDataFrame) { grid-column: 1; grid-row: 5 / span 9; }
  .st-key-answer_item > :first-child img { width: 11rem !important; height: auto; }
  .stMainBlockContainer { padding-left: 2rem; padding-right: 2rem; }
}
"""


def draw() -> None:
    """The frame and the page that the address asks for."""
    from pages.ui.frame.first import wait_for_libraries

    st.set_page_config(page_title="Turnover", page_icon="🔁", layout="wide")
    st.html(f"<style>{STYLE}</style>")
    wait_for_libraries()
    from pages.ui.frame.login import require_login
    from pages.ui.frame.settings import settings_box
    from pages.ui.frame.shell import shell

    # Addresses differ from file names on purpose: until the first visit has run this file,
    # Streamlit takes /cleanse for the script pages/cleanse.py itself and would start it without
    # the frame.
    pages = [
        st.Page("pages/projects.py", title="Projects", icon=":material/folder:", url_path="home"),
        st.Page("pages/errors.py", title="Errors", icon=":material/rule:", default=True),
        st.Page("pages/labels.py", title="Labels", icon=":material/label:", url_path="triage"),
        st.Page(
            "pages/cleanse.py",
            title="Clean data",
            icon=":material/cleaning_services:",
            url_path="cleansing",
        ),
        st.Page("pages/trust.py", title="Trust", icon=":material/verified:", url_path="evaluation"),
        st.Page("pages/runs.py", title="Runs", icon=":material/history:", url_path="history"),
    ]
    page = st.navigation(pages, position="top")
    require_login()
    shell()
    settings_box()
    page.run()


if get_script_run_ctx(suppress_warning=True) is None:
    from starlette.middleware import Middleware
    from streamlit.runtime.pages_manager import PagesManager

    from pages.ui.frame.doors import Doors
    from pages.ui.frame.first import load_libraries

    # Threads of one session that wait must not spin on the cores that another session needs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Else Streamlit takes any app beside a folder `pages` for its old kind of app until this file
    # has run for the first time, and a link to a page would be "not found" on a fresh server.
    PagesManager.uses_pages_directory = False
    load_libraries()
    app = st.App(__file__, middleware=[Middleware(Doors)])
else:
    draw()
