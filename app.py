"""The dashboard's entry: `streamlit run app.py`, or `turnover app` from any folder."""

import sys
from pathlib import Path

import streamlit as st

# Pages import their shared parts as `pages.ui`, from wherever the app was started.
sys.path.insert(0, str(Path(__file__).resolve().parent))

from pages.ui.frame.login import require_login
from pages.ui.frame.settings import settings_box
from pages.ui.frame.shell import shell

# Addresses differ from file names on purpose: until the first visit has run this file, Streamlit
# takes /cleanse for the script pages/cleanse.py itself and would start it without the frame.
PAGES = [
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

st.set_page_config(page_title="Turnover", page_icon="🔁", layout="wide")
page = st.navigation(PAGES, position="top")
require_login()
shell()
settings_box()
page.run()
