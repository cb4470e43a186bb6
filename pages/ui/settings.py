"""Who sits in front of the page."""

import streamlit as st


def reviewer() -> str:
    """The account when people log in, else the name in the settings, else "local"."""
    if getattr(st.user, "is_logged_in", False):
        return str(st.user.get("email") or st.user.get("name") or "unknown")[:100]
    return str(st.session_state.get("reviewer_name") or "").strip()[:100] or "local"
