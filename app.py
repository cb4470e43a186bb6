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

# Streamlit leaves 6rem above a page, of which the menu takes less than 4, and 5rem at its sides,
# which a laptop needs. Beside the sidebar a narrow window has no room for an item and its rows side
# by side, so its columns stand one below the other there, as Streamlit itself stacks columns below
# 640 px. Cards of a row are as high as its highest, and those with pictures all alike; what can be
# pressed stands at the lower edge (but the halves of Explore are no cards), and a chip breaks its
# line before it loses a letter. The confusion matrix stays beside the list that scrolls.
STYLE = """
.stMainBlockContainer { padding-top: 4rem; padding-left: 2.5rem; padding-right: 2.5rem; }
.st-key-score { min-height: 1.5rem; margin-bottom: -0.75rem; row-gap: 0; }
.st-key-score button { min-height: 1.5rem; padding-top: 0; padding-bottom: 0; }
.stGridCell [data-testid=stGridCellContent] > [data-testid=stLayoutWrapper] { flex: 1 1 auto; }
.stGrid:not(.st-key-explore_halves) > .stGridCell [data-testid=stGridCellContent] > *
> .stVerticalBlock > :last-child:has(.stButton, .stCheckbox) { margin-top: auto; }
.stGrid:not(.st-key-explore_halves):has(.stGridCell img) { grid-auto-rows: 1fr; }
:has(> [class*="st-key-unseen_"]) { display: none; }
.stMarkdownBadge { white-space: normal; }
.stColumn:has(.st-key-confusion) > .stVerticalBlock { position: sticky; top: 4rem; }
@media (min-width: 768px) and (max-width: 1100px) {
  .stSidebar[data-collapsed=false] { width: 232px !important; }
  [data-testid=stSidebarContent] { padding-left: 0.25rem; padding-right: 0.25rem; }
  [data-testid=stSidebarUserContent] { padding-left: 1rem; padding-right: 1rem; }
}
@media (max-width: 1100px) {
  .stHorizontalBlock:has(> .stColumn .st-key-answer_item, > .stColumn .st-key-confusion) {
    flex-wrap: wrap;
  }
  .stColumn:has(.st-key-answer_item, .st-key-confusion),
  .stColumn:has(.st-key-answer_item) ~ .stColumn,
  .stColumn:has(~ .stColumn .st-key-confusion) { min-width: 100%; }
  .st-key-answer_item { display: grid; grid-template-columns: 9rem 1fr 1fr; gap: 0.5rem 1rem; }
  .st-key-answer_item > * { grid-column: 2; width: 100%; }
  .st-key-answer_item > :first-child { grid-column: 1; grid-row: 1 / span 9; }
  .st-key-answer_item > :has(.stDataFrame) { grid-column: 3; grid-row: 1 / span 9; }
  .st-key-answer_item > :first-child img { width: 9rem !important; height: auto; }
  .stMainBlockContainer { padding-left: 2rem; padding-right: 2rem; }
}
@media (max-width: 700px) {
  .st-key-answer_item { grid-template-columns: 9rem 1fr; }
  .st-key-answer_item > :has(.stDataFrame) { grid-column: 1 / -1; grid-row: auto; }
}
"""
# The name, in a blue that is seen on light and dark.
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="148" height="32" viewBox="0 0 148 32">
<g fill="none" stroke="#3278c4" stroke-width="3" stroke-linecap="round" stroke-linejoin="round">
<path d="M4 13a11 11 0 0 1 20-3"/><path d="M25 3v7.5h-7.5"/>
<path d="M26 19a11 11 0 0 1-20 3"/><path d="M5 29v-7.5h7.5"/></g>
<text x="36" y="23" font-family="Source Sans,Segoe UI,Helvetica,Arial,sans-serif" font-size="21"
font-weight="700" fill="#3278c4">Turnover</text></svg>"""


def draw() -> None:
    """The frame and the page that the address asks for."""
    from pages.ui.frame import alive
    from pages.ui.frame.first import wait_for_libraries

    st.set_page_config(page_title="Turnover", page_icon="🔁", layout="wide")
    st.html(f"<style>{STYLE}{alive.STYLE}</style>")
    st.logo(LOGO, size="large")
    wait_for_libraries()
    from pages.ui.frame.people.login import require_login
    from pages.ui.frame.settings import settings_box
    from pages.ui.frame.shell import shell

    # Addresses differ from file names on purpose: until the first visit has run this file,
    # Streamlit takes /cleanse for the script pages/cleanse.py itself and would start it without
    # the frame.
    pages = [
        st.Page("pages/projects.py", title="Projects", icon=":material/folder:", url_path="home"),
        st.Page("pages/errors.py", title="Errors", icon=":material/rule:", default=True),
        st.Page(
            "pages/explore.py", title="Explore", icon=":material/scatter_plot:", url_path="select"
        ),
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
    with st.sidebar:
        alive.watch_server()
    page.run()


if get_script_run_ctx(suppress_warning=True) is None:
    from starlette.middleware import Middleware
    from streamlit.runtime.pages_manager import PagesManager

    from pages.ui.frame.first import load_libraries
    from pages.ui.frame.people.doors import Doors

    # Threads of one session that wait must not spin on the cores that another session needs.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Else Streamlit takes any app beside a folder `pages` for its old kind of app until this file
    # has run for the first time, and a link to a page would be "not found" on a fresh server.
    PagesManager.uses_pages_directory = False
    load_libraries()
    app = st.App(__file__, middleware=[Middleware(Doors)])
else:
    draw()
