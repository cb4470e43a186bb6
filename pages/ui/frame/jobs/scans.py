"""What is looked for in the background, once for all viewers who ask the same."""

import atexit

import streamlit as st

from influence_core.workflow.explain.live import LiveScans


@st.cache_resource(show_spinner=False)
def live_scans() -> LiveScans:
    """The scans and finished answers of this app, shared by all browser sessions."""
    scans = LiveScans()
    atexit.register(scans.close)  # a stopped app does not wait for the end of a long scan
    return scans
