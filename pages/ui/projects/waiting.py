"""A bar and a way to stop, while another process reads a file for the wizard."""

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from influence_core.errors import TurnoverError
from influence_core.progress import Progress, ProgressFn
from pages.ui.draw import numbers

T = TypeVar("T")
STOPPED = "wizard_stopped"


def stoppable(name: str, question: object, work: Callable[[ProgressFn], T]) -> T | None:
    """The work's result; None as long as the user has stopped it.

    A click ends this script at the next event of the bar, and the other process with it. `name`
    tells its buttons from those of other work.
    """
    if st.session_state.get(STOPPED) == question:
        st.info("Stopped; nothing was made.")
        if not st.button("Read it again", key=f"{name}_again"):
            return None
        del st.session_state[STOPPED]
    place = st.empty()
    with place.container(horizontal=True, vertical_alignment="bottom"):
        bar = st.progress(0.0, "Reading …")
        st.button("Cancel", key=f"{name}_cancel", on_click=_stop, args=(question,))

    def tell(event: Progress) -> None:
        share = min(event.done / max(event.total, 1), 1.0)
        words = {"wait": "Waiting for others to finish …"}.get(event.stage, "Reading …")
        if event.total > 1:
            words = f"Reading {numbers.count(event.done)} of {numbers.count(event.total)}"
        bar.progress(share, words)

    try:
        found = work(tell)
    except TurnoverError:
        place.empty()
        raise
    place.empty()
    return found


def _stop(question: object) -> None:
    st.session_state[STOPPED] = question
