"""What long work will take, under the form that starts it; nothing where it is short or unknown.

A form does not tell what is set in it before it is sent, so this is said of the settings that it
opens with. Called by forms that start jobs.
"""

import streamlit as st

from pages.ui.draw.text import plain


def expected(said: str | None) -> None:
    """A sentence of `workflow.expected`, read from what was measured before."""
    if said:
        st.caption(plain(said.replace("This", "At the settings that the form opens with, this", 1)))
